/** Captions of clips and of single frames, as captions.jsonl has them. */
import { type ClipFacts, clauseOf, colourOf, listOf, nameOf, placeOf } from './language.js';

/** The whole clip: its objects and events, in order. */
export function describeClip({ clip }: ClipFacts): string {
  const things = clip.objects.map((_, i) => `a ${nameOf(clip, i)}`);
  const events = clip.events.map((event) => `${clauseOf(clip, event)}.`);
  return [`${listOf(things)} on a ${clip.background} background.`, ...events].join(' ');
}

/** Places of the objects at the end of a beat, as sampled frame `beat + 1` of four shows them. */
export function describeFrame(facts: ClipFacts, beat: number): string {
  const parts = facts.clip.objects.flatMap((object, i) => {
    const place = placeOf(facts, beat, i);
    return place === undefined ? [] : [`${colourOf(facts, beat, i)} ${object.shape} ${place}`];
  });
  return `${parts.join(', ')}.`;
}
