/** Batches of pre-training: captions of clips and options to read, as token ids, grouped by length. */

import { Rng } from '../base/random.js';
import {
  CAPTION_SHARES,
  type CaptionOptions,
  captionSamples,
  choiceOf,
  clozeOf,
  describeFrame,
} from '../shapes/captions.js';
import { factsOf } from '../shapes/language.js';
import { readingSamples } from '../shapes/reading.js';
import { BEATS, type Clip } from '../shapes/scene.js';
import { simulateClip } from '../shapes/simulate.js';
import { drawSceneSlot } from '../shapes/statements.js';
import type { Tokenizer } from '../text/tokenizer.js';

export interface BatchSettings extends Omit<CaptionOptions, 'samplesPerClip' | 'frames'> {
  /** Options to read without a clip (shapes/reading.ts). */
  reading: number;
  /** Single frames to describe, of as many further clips. */
  single: number;
  /** Clips, and captions of each. */
  clips: number;
  captions: number;
}

/** Samples of similar lengths, padded together. */
export interface Group {
  /** Frames of each sample, by their rows in the batch's frames (clips * 4); none when there is nothing to look at. */
  frames: number[][];
  prompts: number[][];
  targets: number[][];
  tasks: string[];
}

export interface CaptionBatch {
  shown: Clip[];
  /** Choices (long prompt, short target) apart from the rest: padding both to both lengths would cost 40 % more. */
  groups: Group[];
}

interface Sample {
  prompt: string;
  target: string;
  task: string;
  frames: number[];
}

/** An endless stream of batches; the same seed gives the same. */
export function* captionBatches(
  seed: string,
  { reading, single, clips, captions, ...caption }: BatchSettings,
  tokenizer: Tokenizer,
): Generator<CaptionBatch, never> {
  const options = readingSamples(seed);
  const samplesPerClip = Math.max(1, captions);
  const stream = captionSamples(seed, { ...caption, samplesPerClip, frames: 4 * BEATS });
  const alone = singleFrames(seed, caption);
  const lists = (sample: Sample) => sample.prompt.includes('Option');
  for (;;) {
    const shown: Clip[] = [];
    const told: Sample[] = [];
    for (let i = 0; i < clips * samplesPerClip; i++) {
      const { clip, ...sample } = stream.next().value;
      if (i % samplesPerClip === 0) shown.push(clip);
      const first = (shown.length - 1) * BEATS;
      if (captions > 0)
        told.push({ ...sample, frames: Array.from({ length: BEATS }, (_, beat) => first + beat) });
    }
    const described = Array.from({ length: single }, () => {
      const { clip, beat, ...sample } = alone.next().value;
      shown.push(clip);
      return { ...sample, frames: [(shown.length - 1) * BEATS + beat] };
    });
    const read = Array.from({ length: reading }, () => ({
      ...options.next().value,
      task: 'read',
      frames: [],
    }));
    const groups = [told, described].flatMap((samples) => [
      samples.filter(lists),
      samples.filter((s) => !lists(s)),
    ]);
    groups.push(read);
    yield {
      shown,
      groups: groups.filter((group) => group.length > 0).map((group) => encodeGroup(group, tokenizer)),
    };
  }
}

/** One frame of a clip at a time, called the first: descriptions, cloze and choices at a fifth of a clip's cost. */
function* singleFrames(
  seed: string,
  { nearShare = 0, questionShare = 0 }: CaptionOptions,
): Generator<Omit<Sample, 'frames'> & { clip: Clip; beat: number }, never> {
  const rng = new Rng(`single/${seed}`);
  const shares = { ...CAPTION_SHARES, nearShare, questionShare };
  for (let n = 0; ; n++) {
    const clip = simulateClip(`single/${seed}/${n}`, { frames: 4 * BEATS });
    const facts = factsOf(clip);
    const beat = rng.int(BEATS);
    const roll = rng.float();
    if (roll < 0.25)
      yield { clip, beat, task: 'scene', prompt: 'Describe frame 1.', target: describeFrame(facts, beat) };
    else {
      const slot = drawSceneSlot(facts, beat, rng);
      if (roll < 0.5) yield { clip, beat, task: 'scene-cloze', ...clozeOf(slot, rng, shares) };
      else if (roll < 0.65) yield { clip, beat, task: 'scene-explain', ...choiceOf(slot, rng, true, shares) };
      else yield { clip, beat, task: 'scene-choice', ...choiceOf(slot, rng, false, shares) };
    }
  }
}

function encodeGroup(samples: Sample[], tokenizer: Tokenizer): Group {
  const encode = (text: string) => tokenizer.encode(text, { addEos: true });
  return {
    frames: samples.map(({ frames }) => frames),
    prompts: samples.map(({ prompt }) => encode(prompt)),
    targets: samples.map(({ target }) => encode(target)),
    tasks: samples.map(({ task }) => task),
  };
}
