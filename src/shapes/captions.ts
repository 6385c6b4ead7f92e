/** Captions of clips and of single frames, as captions.jsonl has them. */
import { type ClipFacts, clauseOf, colourOf, listOf, nameOf, placeOf } from './language.js';

/** The objects of the clip, in one sentence. */
export function nameObjects({ clip }: ClipFacts): string {
  const things = clip.objects.map((_, i) => `a ${nameOf(clip, i)}`);
  return `${listOf(things)} on a ${clip.background} background.`;
}

/** The whole clip: its objects and events, in order. */
export function describeClip(facts: ClipFacts): string {
  const { clip } = facts;
  return [nameObjects(facts), ...clip.events.map((event) => `${clauseOf(clip, event)}.`)].join(' ');
}

/** Places of the objects at the end of a beat, as sampled frame `beat + 1` of four shows them. */
export function describeFrame(facts: ClipFacts, beat: number): string {
  const parts = facts.clip.objects.flatMap((object, i) => {
    const place = placeOf(facts, beat, i);
    return place === undefined ? [] : [`${colourOf(facts, beat, i)} ${object.shape} ${place}`];
  });
  return `${parts.join(', ')}.`;
}
