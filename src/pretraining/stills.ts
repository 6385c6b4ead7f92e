/**
 * What single frames show, as text: descriptions, statements to complete or to choose among, prose in the teacher's
 * style. Frames are shown alone or four at a time, but nothing is said of what happens between them, and no question has
 * the words of the data set's.
 */
import type { Rng } from '../base/random.js';
import { describeFrame } from '../shapes/captions.js';
import {
  absenceClause,
  type ClipFacts,
  colourOf,
  listOf,
  nameOf,
  placeOf,
  sentence,
  showsOwnColour,
  standingClause,
  theObject,
} from '../shapes/language.js';
import { BACKGROUNDS, COLOURS, LOCATIONS, SHAPES } from '../shapes/scene.js';
import { layOutSteps } from '../shapes/teacherText.js';
import { qaPrompt } from '../text/prompts.js';
import { letterOf, type Text } from './reading.js';

/** A statement with a slot, of whose values exactly one makes it true. */
interface Slot {
  write: (value: string) => string;
  /** The question that the right value answers. */
  ask: string;
  values: readonly string[];
  right: string;
  /** Values that the frames suggest. The right one may be among them. */
  near: readonly string[];
}

export const STILL_TASKS = ['describe', 'prose', 'complete', 'explain', 'choose'] as const;
type StillTask = (typeof STILL_TASKS)[number];

/** One text about one of the frames; `beats` are those of the frames shown, in order. */
export function aboutFrames(
  facts: ClipFacts,
  beats: readonly number[],
  rng: Rng,
): Text & { task: StillTask } {
  const roll = rng.float();
  const shown = rng.int(beats.length);
  const frame = `frame ${shown + 1}`;
  if (roll < 0.1)
    return { task: 'describe', prompt: `Describe ${frame}.`, target: describeFrame(facts, beats[shown]!) };
  const isEnd = beats.length > 1 && (shown === 0 || shown === beats.length - 1);
  const moment = isEnd && rng.chance(0.5) ? `at the ${shown === 0 ? 'start' : 'end'}` : `in ${frame}`;
  const slot = drawSlot(facts, beats[shown]!, moment, rng);
  const question = rng.chance(0.5) ? slot.ask : `Complete: ${slot.write('blank')}`;
  if (roll < 0.35) return { task: 'complete', prompt: `Question: ${question}`, target: slot.right };
  const options = optionsOf(slot, rng);
  const prompt = qaPrompt({ question, options });
  const letter = letterOf(slot.right, options);
  // A model trained on letters alone as answers gives every other word a probability near 0.
  if (roll < 0.5) return { task: 'prose', prompt, target: prose(facts, beats, rng) };
  if (roll < 0.65)
    return { task: 'explain', prompt: `Explanation ${prompt}`, target: `${slot.right} ${letter}` };
  return { task: 'choose', prompt, target: letter };
}

/** Wrong options of a choice: questions have four, fewer are easier to begin with. */
const WRONG_COUNTS = [1, 2, 3, 4, 4];

/** The right value among others, half of the time first of all others that the frames suggest. */
function optionsOf({ values, right, near }: Slot, rng: Rng): string[] {
  const wrong = rng.shuffle(values.filter((value) => value !== right));
  const isNear = (value: string) => near.includes(value);
  const ordered = rng.chance(0.5)
    ? [...wrong.filter(isNear), ...wrong.filter((value) => !isNear(value))]
    : wrong;
  return rng.shuffle([right, ...ordered.slice(0, rng.pick(WRONG_COUNTS))]);
}

type SlotWriter = (facts: ClipFacts, beat: number, moment: string, rng: Rng) => Slot | undefined;

function drawSlot(facts: ClipFacts, beat: number, moment: string, rng: Rng): Slot {
  for (;;) {
    const slot = rng.pick(WRITERS)(facts, beat, moment, rng);
    if (slot !== undefined) return slot;
  }
}

/** An object that shows the colour it is called by at that beat, and is the only one that does. */
function drawObject(facts: ClipFacts, beat: number, rng: Rng): number | undefined {
  const { objects } = facts.clip;
  const object = rng.int(objects.length);
  const shown = objects.filter(
    (_, i) => placeOf(facts, beat, i) !== undefined && colourOf(facts, beat, i) === objects[object]!.colour,
  );
  const isOwn = placeOf(facts, beat, object) !== undefined && showsOwnColour(facts, beat, object);
  return isOwn && shown.length === 1 ? object : undefined;
}

const place: SlotWriter = (facts, beat, moment, rng) => {
  const object = drawObject(facts, beat, rng);
  if (object === undefined) return undefined;
  const { colour } = facts.clip.objects[object]!;
  const name = rng.chance(0.5) ? theObject(colour) : `the ${nameOf(facts.clip, object)}`;
  const seen = facts.states.flatMap((_, other) =>
    facts.clip.objects.flatMap((_, i) => placeOf(facts, other, i) ?? []),
  );
  return {
    write: (value) => `${name} is at the ${value} ${moment}`,
    ask: `where can we see ${name} ${moment}`,
    values: LOCATIONS,
    right: placeOf(facts, beat, object)!,
    near: seen,
  };
};

const whoIsThere: SlotWriter = (facts, beat, moment, rng) => {
  const object = drawObject(facts, beat, rng);
  if (object === undefined) return undefined;
  const at = `at the ${placeOf(facts, beat, object)} ${moment}`;
  return {
    write: (value) => `${value} is ${at}`,
    ask: `which object can we see ${at}`,
    values: COLOURS.map(theObject),
    right: theObject(facts.clip.objects[object]!.colour),
    near: facts.clip.objects.map(({ colour }) => theObject(colour)),
  };
};

const shape: SlotWriter = (facts, beat, moment, rng) => {
  const object = drawObject(facts, beat, rng);
  if (object === undefined) return undefined;
  const { colour, shape: right } = facts.clip.objects[object]!;
  return {
    write: (value) => `${theObject(colour)} is a ${value} ${moment}`,
    ask: `which shape has ${theObject(colour)} ${moment}`,
    values: SHAPES,
    right,
    near: facts.clip.objects.map((other) => other.shape),
  };
};

const background: SlotWriter = ({ clip }, _, __, rng) =>
  rng.chance(0.3)
    ? {
        write: (value) => `the background is ${value}`,
        ask: 'which colour has the background',
        values: BACKGROUNDS,
        right: clip.background,
        near: [],
      }
    : undefined;

const WRITERS: readonly SlotWriter[] = [place, place, whoIsThere, whoIsThere, shape, background];

/** One to three true sentences about the frames, laid out as the teacher does. */
function prose(facts: ClipFacts, beats: readonly number[], rng: Rng): string {
  const steps = Array.from({ length: 1 + rng.int(3) }, () => {
    const shown = rng.int(beats.length);
    const standing = facts.clip.objects.flatMap((_, i) => standingClause(facts, beats[shown]!, i) ?? []);
    const few = rng.shuffle(standing).slice(0, 1 + rng.int(2));
    return few.length === 0 || rng.chance(0.25)
      ? absence(facts, rng)
      : `in frame ${shown + 1}, ${listOf(few)}`;
  });
  return layOutSteps(steps.map(sentence), rng);
}

function absence({ clip }: ClipFacts, rng: Rng): string {
  const absent = COLOURS.filter((colour) => clip.objects.every((object) => object.colour !== colour));
  return absenceClause(rng.shuffle([...absent]).slice(0, 1 + rng.int(3)));
}
