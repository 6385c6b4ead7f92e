/**
 * Captions of shapes clips: what the base model learns from before it sees any question. Each sample pairs four
 * frames with an instruction and its target: descriptions, tracking, cloze, and choosing the caption that fits
 * (the instruction tuning FlanT5 brings along). No question of the dataset is among them, and no sentence says why
 * something happens: that is left to fine-tuning and to the teacher's reasoning.
 */
import { Rng } from '../random.js';
import {
  type ClipFacts,
  clauseOf,
  colourOf,
  EFFECT_PRESENT,
  factsOf,
  listOf,
  type Naming,
  NUMBERS,
  nameOf,
  placeOf,
  theObject,
} from './language.js';
import {
  BACKGROUNDS,
  BEATS,
  type Clip,
  COLOURS,
  type Colour,
  DIRECTIONS,
  EFFECTS,
  type Effect,
  LOCATIONS,
  SHAPES,
} from './scene.js';
import { simulateClip } from './simulate.js';

export const CAPTION_TASKS = ['describe', 'frame', 'change', 'follow', 'cloze', 'choice'] as const;
export type CaptionTask = (typeof CAPTION_TASKS)[number];

export interface CaptionSample {
  clip: Clip;
  task: CaptionTask;
  prompt: string;
  target: string;
}

export interface CaptionOptions {
  /** Samples drawn from one clip before the next; they follow each other, so its frames can be reused. Default 4. */
  samplesPerClip?: number;
  /** How often each task is drawn, relative to the others. */
  mix?: Partial<Record<CaptionTask, number>>;
  frames?: number;
}

const DEFAULT_MIX: Readonly<Record<CaptionTask, number>> = {
  describe: 2,
  frame: 2,
  change: 2,
  follow: 2,
  cloze: 3,
  choice: 5,
};

/**
 * An endless stream of caption samples. Its clips come from ids that no dataset uses (`captions/<seed>/<n>`), so
 * they are disjoint from every train, val and test split.
 */
export function* captionSamples(
  seed: number | string,
  options: CaptionOptions = {},
): Generator<CaptionSample, never> {
  const perClip = options.samplesPerClip ?? 4;
  const mix = { ...DEFAULT_MIX, ...options.mix };
  for (let n = 0; ; n++) {
    const clip = simulateClip(`captions/${seed}/${n}`, { frames: options.frames });
    const facts = factsOf(clip);
    const rng = new Rng(`captions/${seed}/${n}/text`);
    for (let i = 0; i < perClip; i++) {
      const task = drawTask(rng, mix);
      yield { clip, task, ...WRITERS[task](facts, rng) };
    }
  }
}

function drawTask(rng: Rng, mix: Record<CaptionTask, number>): CaptionTask {
  const total = CAPTION_TASKS.reduce((sum, task) => sum + mix[task], 0);
  let roll = rng.float() * total;
  for (const task of CAPTION_TASKS) {
    roll -= mix[task];
    if (roll < 0) return task;
  }
  return 'describe';
}

type Text = { prompt: string; target: string };
const WRITERS: Readonly<Record<CaptionTask, (facts: ClipFacts, rng: Rng) => Text>> = {
  describe: (facts) => ({ prompt: 'Describe the video.', target: describeClip(facts) }),
  frame: (facts, rng) => {
    const beat = rng.int(BEATS);
    return { prompt: `Describe frame ${beat + 1}.`, target: describeFrame(facts, beat) };
  },
  change: (facts, rng) => {
    const beat = 1 + rng.int(BEATS - 1);
    const target = describeChange(facts, beat, drawNaming(rng));
    return { prompt: `Describe the change from frame ${beat} to frame ${beat + 1}.`, target };
  },
  follow: (facts, rng) => {
    const object = rng.int(facts.clip.objects.length);
    return {
      prompt: `Follow the ${nameOf(facts.clip, object, drawNaming(rng))}.`,
      target: followObject(facts, object),
    };
  },
  cloze: writeCloze,
  choice: writeChoice,
};

function drawNaming(rng: Rng): Naming {
  return rng.float() < 0.5 ? 'colour' : 'full';
}

/** The whole clip: what there is and what happens, in order. */
export function describeClip(facts: ClipFacts): string {
  const { clip } = facts;
  const things = clip.objects.map((_, i) => `a ${nameOf(clip, i, 'full')}`);
  const events = clip.events.map((event) => `${clauseOf(clip, event)}.`);
  return [`${listOf(things)} on a ${clip.background} background.`, ...events].join(' ');
}

/** What is where at the end of a beat, which is what sampled frame `beat + 1` of four shows. */
export function describeFrame(facts: ClipFacts, beat: number): string {
  const parts = facts.clip.objects.flatMap((object, i) => {
    const place = placeOf(facts, beat, i);
    return place === undefined ? [] : [`${colourOf(facts, beat, i)} ${object.shape} ${place}`];
  });
  return `${parts.join(', ')}.`;
}

export function describeChange(facts: ClipFacts, beat: number, naming: Naming): string {
  const events = facts.clip.events.filter((event) => event.beat === beat);
  if (events.length === 0) return 'nothing changes.';
  return events.map((event) => `${clauseOf(facts.clip, event, naming)}.`).join(' ');
}

function followObject(facts: ClipFacts, object: number): string {
  const steps = Array.from({ length: BEATS }, (_, beat) => {
    return `frame ${beat + 1}: ${placeOf(facts, beat, object) ?? 'gone'}`;
  });
  return `${steps.join(', ')}.`;
}

/** A statement about the clip as alternatives for one slot: exactly one of `values` makes it true. */
interface Slot {
  write: (value: string) => string;
  values: readonly string[];
  right: string;
}

/** Draws one statement with the slot that makes it true; both cloze and choice are built on it. */
function drawSlot(facts: ClipFacts, rng: Rng): Slot {
  for (;;) {
    const slot = rng.pick(SLOT_WRITERS)(facts, rng);
    if (slot !== undefined) return slot;
  }
}

type SlotWriter = (facts: ClipFacts, rng: Rng) => Slot | undefined;

const placeSlot: SlotWriter = (facts, rng) => {
  const object = rng.int(facts.clip.objects.length);
  const beat = rng.int(BEATS);
  const right = placeOf(facts, beat, object);
  if (right === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  const name = nameOf(facts.clip, object, drawNaming(rng));
  return {
    write: (place) => `the ${name} is at the ${place} in frame ${beat + 1}`,
    values: LOCATIONS,
    right,
  };
};

const whoIsThereSlot: SlotWriter = (facts, rng) => {
  const object = rng.int(facts.clip.objects.length);
  const beat = rng.int(BEATS);
  const place = placeOf(facts, beat, object);
  if (place === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  return {
    write: (colour) => `the object at the ${place} in frame ${beat + 1} is ${colour}`,
    values: COLOURS,
    right: facts.clip.objects[object]!.colour,
  };
};

const shapeSlot: SlotWriter = ({ clip }, rng) => {
  const { colour, shape } = rng.pick(clip.objects);
  return { write: (value) => `${theObject(colour)} is a ${value}`, values: SHAPES, right: shape };
};

const backgroundSlot: SlotWriter = ({ clip }, rng) =>
  rng.float() < 0.3
    ? { write: (value) => `the background is ${value}`, values: BACKGROUNDS, right: clip.background }
    : undefined;

const countSlot: SlotWriter = ({ states }, rng) => {
  const beat = rng.int(BEATS);
  const right = NUMBERS[states[beat]!.filter((state) => state.alpha > 0).length]!;
  return {
    write: (value) => `the number of objects in frame ${beat + 1} is ${value}`,
    values: NUMBERS.slice(1),
    right,
  };
};

/** How an object moves in one beat, at rest included. */
const motionSlot: SlotWriter = ({ clip, states }, rng) => {
  const object = rng.int(clip.objects.length);
  const beat = 1 + rng.int(BEATS - 1);
  if (states[beat]![object]!.alpha === 0) return undefined;
  const event = clip.events.find(
    (e) => e.beat === beat && e.object === object && (e.kind === 'move' || e.kind === 'push'),
  );
  // A still object is the common case; take it as often as one direction.
  if (event === undefined && rng.float() > 0.25) return undefined;
  const name = nameOf(clip, object, drawNaming(rng));
  const right = event === undefined ? 'stays still' : `moves ${event.direction}`;
  return {
    write: (value) => `the ${name} ${value} from frame ${beat} to frame ${beat + 1}`,
    values: [...DIRECTIONS.map((direction) => `moves ${direction}`), 'stays still'],
    right,
  };
};

/** Which object moves in one beat, when only one does. */
const moverSlot: SlotWriter = ({ clip }, rng) => {
  const beat = 1 + rng.int(BEATS - 1);
  const moved = clip.events.filter((e) => e.beat === beat && (e.kind === 'move' || e.kind === 'push'));
  if (moved.length !== 1) return undefined;
  return {
    write: (colour) => `the ${colour} object moves from frame ${beat} to frame ${beat + 1}`,
    values: COLOURS,
    right: clip.objects[moved[0]!.object]!.colour,
  };
};

/** Who touches whom; the shape is left out so that it cannot be read off the words. */
const touchSlot: SlotWriter = ({ clip }, rng) => {
  const touches = clip.events.filter((e) => e.kind !== 'move');
  const touch = rng.pick(touches);
  // An object is touched once at most, but may touch several.
  const several = touches.filter((e) => e.cause === touch.cause).length > 1;
  const mover = clip.objects[touch.cause]!.colour;
  const target = clip.objects[touch.object]!.colour;
  return rng.float() < 0.5 || several
    ? { write: (colour) => `the ${colour} object touches ${theObject(target)}`, ...colourSlot(mover, target) }
    : { write: (colour) => `${theObject(mover)} touches the ${colour} object`, ...colourSlot(target, mover) };
};

function colourSlot(right: Colour, named: Colour): Pick<Slot, 'values' | 'right'> {
  return { values: COLOURS.filter((colour) => colour !== named), right };
}

/** What becomes of an object, in one of the five ways. */
const effectSlot: SlotWriter = ({ clip }, rng) => {
  const event = rng.pick(clip.events.filter((e) => e.kind !== 'move'));
  const { colour } = clip.objects[event.object]!;
  return rng.float() < 0.6
    ? {
        write: (value) => `${theObject(colour)} ${value}`,
        values: EFFECTS.map((effect) => EFFECT_PRESENT[effect]),
        right: EFFECT_PRESENT[event.kind],
      }
    : onlyOne(clip, event.kind, colour);
};

function onlyOne(clip: Clip, kind: Effect, colour: Colour): Slot | undefined {
  if (clip.events.filter((event) => event.kind === kind).length > 1) return undefined;
  return { write: (value) => `the ${value} object ${EFFECT_PRESENT[kind]}`, values: COLOURS, right: colour };
}

const SLOT_WRITERS: readonly SlotWriter[] = [
  placeSlot,
  whoIsThereSlot,
  shapeSlot,
  backgroundSlot,
  countSlot,
  motionSlot,
  motionSlot,
  moverSlot,
  touchSlot,
  touchSlot,
  effectSlot,
  effectSlot,
];

function showsOwnColour(facts: ClipFacts, beat: number, object: number): boolean {
  return colourOf(facts, beat, object) === facts.clip.objects[object]!.colour;
}

function writeCloze(facts: ClipFacts, rng: Rng): Text {
  const slot = drawSlot(facts, rng);
  return { prompt: `Complete: ${slot.write('blank')}.`, target: slot.right };
}

/** Five captions of which one is true, in the form of the question prompt. */
function writeChoice(facts: ClipFacts, rng: Rng): Text {
  const slot = drawSlot(facts, rng);
  const wrong = rng.shuffle(slot.values.filter((value) => value !== slot.right)).slice(0, 4);
  const answer = rng.int(wrong.length + 1);
  const values = [...wrong.slice(0, answer), slot.right, ...wrong.slice(answer)];
  // Half of the time only the slot is listed, as the options of a question would be.
  const short = rng.float() < 0.5;
  const options = values.map((value, i) => `Option ${letter(i)}: ${short ? value : slot.write(value)}.`);
  const head = short ? `Caption: ${slot.write('blank')}.` : 'Caption:';
  return {
    prompt: `${head} ${options.join(' ')} ${CHOICE_INSTRUCTION}`,
    target: `Option ${letter(answer)}`,
  };
}

const CHOICE_INSTRUCTION =
  'Considering the information presented in the frame, select the correct caption from the options.';

function letter(index: number): string {
  return String.fromCharCode(65 + index);
}
