/** Batches of pre-training as token ids: texts about frames and texts to read, samples of similar lengths together. */
import { Rng } from '../base/random.js';
import { factsOf } from '../shapes/language.js';
import { BEATS, type Clip } from '../shapes/scene.js';
import { simulateClip } from '../shapes/simulate.js';
import type { Tokenizer } from '../text/tokenizer.js';
import { lists, stories, type Text } from './reading.js';
import { aboutFrames } from './stills.js';

/** How many samples of each kind a batch has. */
export interface BatchSettings {
  /** Lists and stories to read without a clip. */
  lists: number;
  stories: number;
  /** Single frames of as many clips, each with one text. */
  single: number;
  /** Clips of four frames, and texts about each. */
  clips: number;
  texts: number;
}

/** Samples that are padded together. */
export interface Group {
  /** Frames of each sample, by their rows in the batch's frames (clips * 4); none when there is nothing to look at. */
  frames: number[][];
  prompts: number[][];
  targets: number[][];
  tasks: string[];
}

export interface Batch {
  shown: Clip[];
  /** Choices (long prompt, short target) apart from the rest: padding both to both lengths would cost 40 % more. */
  groups: Group[];
}

type Sample = Text & { task: string; frames: number[] };

/** An endless stream of batches; the same seed gives the same. Its clips are in no data set. */
export function* batches(
  seed: string,
  { lists: listCount, stories: storyCount, single, clips, texts }: BatchSettings,
  tokenizer: Tokenizer,
): Generator<Batch, never> {
  const listStream = lists(seed);
  const storyStream = stories(seed);
  for (let n = 0; ; n++) {
    const rng = new Rng(`pretraining/${seed}/${n}`);
    const shown: Clip[] = [];
    const show = (beats: number[], count: number): Sample[] => {
      const clip = simulateClip(`pretraining/${seed}/${n}/${shown.length}`);
      const first = shown.push(clip) - 1;
      const frames = beats.map((beat) => first * BEATS + beat);
      const facts = factsOf(clip);
      return times(count, () => ({ ...aboutFrames(facts, beats, rng), frames }));
    };
    const every = Array.from({ length: BEATS }, (_, beat) => beat);
    const samples: Sample[][] = [
      times(clips, () => show(every, texts)).flat(),
      times(single, () => show([rng.int(BEATS)], 1)).flat(),
      [
        ...times(listCount, () => ({ ...listStream.next().value, task: 'list', frames: [] })),
        ...times(storyCount, () => ({ ...storyStream.next().value, task: 'story', frames: [] })),
      ],
    ];
    const offers = ({ target }: Sample) => target.startsWith('Option');
    const groups = samples.flatMap((some) => [some.filter(offers), some.filter((s) => !offers(s))]);
    yield {
      shown,
      groups: groups.filter((group) => group.length > 0).map((group) => encodeGroup(group, tokenizer)),
    };
  }
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
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
