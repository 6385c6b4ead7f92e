/**
 * Captions of shapes clips: the data of the base model's pre-training. Each sample pairs four frames with an
 * instruction and its target: descriptions, tracking, cloze, prose, and choosing the statement that fits, by completing
 * it or by answering a plain question. No question of the dataset is among them, and no caption is about causes or the
 * order of events: fine-tuning and the teacher's reasoning teach those.
 */

import { Rng } from '../base/random.js';
import { optionLetter } from '../data/sample.js';
import { qaPrompt } from '../text/prompts.js';
import {
  type ClipFacts,
  clauseOf,
  colourOf,
  factsOf,
  listOf,
  type Naming,
  nameOf,
  placeOf,
} from './language.js';
import { NARRATION_PROMPT, narrate } from './narration.js';
import { BEATS, type Clip } from './scene.js';
import { simulateClip } from './simulate.js';
import { drawNaming, drawSlot, type Slot } from './statements.js';

export const CAPTION_TASKS = [
  'describe',
  'frame',
  'change',
  'follow',
  'cloze',
  'choice',
  'explain',
  'narrate',
  'reason',
] as const;
type CaptionTask = (typeof CAPTION_TASKS)[number];

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
  /** Share of cloze and choices that are about one frame; the others are about what happens. Default 0.4. */
  sceneShare?: number;
  /**
   * Share, among those about what happens, that are about motion over any number of frames. Default 0: from one frame
   * to the next.
   */
  spanShare?: number;
  /** Share of choices that list whole statements instead of values of the slot. Default 0.2. */
  statementShare?: number;
  /** Share of choices that prefer wrong options suggested by the clip. Default 0: from everything. */
  nearShare?: number;
  /** Share of cloze and the other choices that are plain questions instead of statements to complete. Default 0. */
  questionShare?: number;
  frames?: number;
}

/** The defaults of {@link CaptionOptions}. */
export const CAPTION_SHARES = {
  sceneShare: 0.4,
  spanShare: 0,
  statementShare: 0.2,
  nearShare: 0,
  questionShare: 0,
};
type Shares = typeof CAPTION_SHARES;

const DEFAULT_MIX: Readonly<Record<CaptionTask, number>> = {
  describe: 1,
  frame: 1,
  change: 1,
  follow: 1,
  cloze: 5,
  choice: 6,
  explain: 2,
  narrate: 0,
  reason: 0,
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
  const shares = { ...CAPTION_SHARES, ...options };
  for (let n = 0; ; n++) {
    const clip = simulateClip(`captions/${seed}/${n}`, { frames: options.frames });
    const facts = factsOf(clip);
    const rng = new Rng(`captions/${seed}/${n}/text`);
    for (let i = 0; i < perClip; i++) {
      const task = drawTask(rng, mix);
      yield { clip, task, ...WRITERS[task](facts, rng, shares) };
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
const WRITERS: Readonly<Record<CaptionTask, (facts: ClipFacts, rng: Rng, shares: Shares) => Text>> = {
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
  cloze: (facts, rng, shares) => clozeOf(drawSlot(facts, rng, shares), rng, shares),
  choice: (facts, rng, shares) => choiceOf(drawSlot(facts, rng, shares), rng, false, shares),
  explain: (facts, rng, shares) => choiceOf(drawSlot(facts, rng, shares), rng, true, shares),
  narrate: (facts, rng) => ({ prompt: NARRATION_PROMPT, target: narrate(facts, rng) }),
  // A model trained on letters alone as answers gives every other word a probability near 0.
  reason: (facts, rng, shares) => ({
    prompt: choiceOf(drawSlot(facts, rng, shares), rng, false, shares).prompt,
    target: narrate(facts, rng),
  }),
};

/** The whole clip: its objects and events, in order. */
export function describeClip(facts: ClipFacts): string {
  const { clip } = facts;
  const things = clip.objects.map((_, i) => `a ${nameOf(clip, i, 'full')}`);
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

/** One of the statements with its slot left out, to be filled; or its question. */
export function clozeOf(slot: Slot, rng: Rng, shares: Shares): Text {
  return { prompt: `Question: ${askFor(slot, rng, shares)}`, target: slot.right };
}

function askFor(slot: Slot, rng: Rng, { questionShare }: Shares): string {
  return rng.chance(questionShare) ? slot.ask : `Complete: ${slot.write('blank')}`;
}

/** Wrong statements of a choice: questions have four, fewer are easier to begin with. */
const WRONG_COUNTS = [1, 2, 3, 4, 4];

/**
 * Captions, one of them true, in the form of the question prompt.
 *
 * @param explained the target says the right one before its letter; whole statements are then never listed.
 */
export function choiceOf(slot: Slot, rng: Rng, explained: boolean, shares: Shares): Text {
  const shuffled = rng.shuffle(slot.values.filter((value) => value !== slot.right));
  const isNear = (value: string) => slot.near.includes(value);
  const ordered = rng.chance(shares.nearShare)
    ? [...shuffled.filter(isNear), ...shuffled.filter((value) => !isNear(value))]
    : shuffled;
  const wrong = ordered.slice(0, rng.pick(WRONG_COUNTS));
  const answer = rng.int(wrong.length + 1);
  const values = [...wrong.slice(0, answer), slot.right, ...wrong.slice(answer)];
  const short = explained || rng.float() < 1 - shares.statementShare;
  const prompt = qaPrompt({
    question: short ? askFor(slot, rng, shares) : 'select the caption',
    options: short ? values : values.map(slot.write),
  });
  const option = `Option ${optionLetter(answer)}`;
  return explained
    ? { prompt: `Explanation ${prompt}`, target: `${slot.right} ${option}` }
    : { prompt, target: option };
}
