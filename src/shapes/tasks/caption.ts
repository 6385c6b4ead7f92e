/** Captions as a task: one sample a clip, with three descriptions that say the same. */
import { describeClip } from '../captions.js';
import { type ClipFacts, clauseOf, factsOf, listOf, nameOf, sentence } from '../language.js';
import { SHAPES } from '../scene.js';
import { sampleOf, type TaskRow, type TaskSplit } from './rows.js';

export function captionRows({ clips }: TaskSplit): TaskRow[] {
  return clips.map(({ video, clip }) => ({
    kind: 'caption',
    sample: sampleOf({ video, clip }, 'caption', {
      task: 'caption',
      question: 'Describe what we see in the frames.',
      captions: captionsOf(factsOf(clip)),
      type: 'caption',
    }),
  }));
}

/** The caption of captions.jsonl; the same as a tale; the same with the objects called by their colours. */
export function captionsOf(facts: ClipFacts): string[] {
  const { clip } = facts;
  const things = clip.objects.map((_, i) => `a ${nameOf(clip, i)}`);
  const clauses = clip.events.map((event) => clauseOf(clip, event));
  const tale = clauses.map((clause, i) => (i === 0 ? sentence(clause) : `After this, ${clause}.`));
  const scene = `There are ${listOf(things)} on a ${clip.background} background.`;
  return [
    describeClip(facts),
    [scene, ...tale].join(' '),
    byColour([scene, ...clauses.map(sentence)].join(' ')),
  ];
}

const SHAPE = new RegExp(` (?:${SHAPES.join('|')})\\b`, 'g');

function byColour(text: string): string {
  return text.replace(SHAPE, ' object');
}
