import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/random.js';
import {
  CAPTION_TASKS,
  type CaptionSample,
  captionSamples,
  describeClip,
  describeFrame,
} from '../../src/shapes/captions.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll } from '../../src/shapes/questions.js';
import { type Clip, COLOURS, EFFECTS, LOCATIONS } from '../../src/shapes/scene.js';

function take(count: number, seed: number | string, options = {}): CaptionSample[] {
  const stream = captionSamples(seed, options);
  return Array.from({ length: count }, () => stream.next().value);
}

const samples = take(4000, 'captions-test');

describe('captionSamples', () => {
  it('is the same for the same seed and another for another', () => {
    expect(take(50, 1)).toEqual(take(50, 1));
    expect(take(50, 1)).not.toEqual(take(50, 2));
  });

  it('gives several samples for a clip in a row, and every task', () => {
    for (let i = 0; i < samples.length; i += 4) {
      expect(new Set(samples.slice(i, i + 4).map((sample) => sample.clip)).size).toBe(1);
    }
    expect(new Set(samples.map((sample) => sample.clip)).size).toBe(1000);
    expect(new Set(samples.map((sample) => sample.task))).toEqual(new Set(CAPTION_TASKS));
  });

  it('follows the mix', () => {
    const none = { describe: 0, frame: 0, change: 0, follow: 0 };
    const tasks = take(600, 3, { mix: { ...none, cloze: 1, choice: 2 } }).map((sample) => sample.task);
    expect(new Set(tasks)).toEqual(new Set(['cloze', 'choice']));
    expect(tasks.filter((task) => task === 'choice').length / 600).toBeGreaterThan(0.58);
    expect(take(8, 3, { samplesPerClip: 8 }).every((sample, _, all) => sample.clip === all[0]!.clip)).toBe(
      true,
    );
  });

  it('never shows a question of the dataset', () => {
    const questions = new Set(
      samples.flatMap(({ clip }) => askAll(clip, new Rng(0)).map((question) => question.question)),
    );
    for (const { prompt, target } of samples) {
      for (const text of [prompt, target]) {
        expect(/\b(why|how|what|which|where)\b/i.test(text)).toBe(false);
        expect(questions.has(text.replace(/^\w+: /, '').replace(/\.$/, ''))).toBe(false);
      }
    }
  });

  it('balances the letters of the choices', () => {
    const choices = samples.filter((sample) => sample.task === 'choice');
    for (const letter of 'ABCDE') {
      const share = choices.filter(({ target }) => target === `Option ${letter}`).length / choices.length;
      expect(Math.abs(share - 0.2)).toBeLessThan(0.04);
    }
  });

  it('has exactly one caption among the options that is true of the clip', () => {
    let checked = 0;
    for (const { task, clip, prompt, target } of samples) {
      if (task !== 'choice') continue;
      const [, head, listed] = /^Caption:(.*?) (Option A: .*) Considering/.exec(prompt)!;
      const options = listed!
        .split(/ ?Option [A-E]: /)
        .slice(1)
        .map((option) => option.replace(/\.$/, ''));
      const captions = options.map((option) =>
        head === '' ? option : head!.trim().replace(/\.$/, '').replace('blank', option),
      );
      const held = captions.map((caption) => holds(clip, caption));
      if (held.some((value) => value === undefined)) continue;
      expect({ prompt, right: held.indexOf(true) }).toEqual({
        prompt,
        right: 'ABCDE'.indexOf(target.slice(-1)),
      });
      expect(held.filter(Boolean)).toHaveLength(1);
      checked++;
    }
    expect(checked).toBeGreaterThan(900);
  });
});

const PRESENT = {
  'moves away': 'push',
  vanishes: 'vanish',
  shrinks: 'shrink',
  grows: 'grow',
  'changes colour': 'paint',
};

/** Whether a caption is true, from the events alone; undefined for forms this reader does not know. */
function holds(clip: Clip, caption: string): boolean | undefined {
  const find = (name: string) =>
    clip.objects.findIndex(({ colour, shape }) => [`${colour} object`, `${colour} ${shape}`].includes(name));
  let match = /^the (\w+ \w+) is at the (.+) in frame (\d)$/.exec(caption);
  if (match)
    return cellOf(clip, find(match[1]!), Number(match[3]) - 1) === LOCATIONS.indexOf(match[2] as never);
  match = /^the object at the (.+) in frame (\d) is (\w+)$/.exec(caption);
  if (match) {
    const object = find(`${match[3]} object`);
    return object >= 0 && cellOf(clip, object, Number(match[2]) - 1) === LOCATIONS.indexOf(match[1] as never);
  }
  match = /^the (\w+) object is a (\w+)$/.exec(caption);
  if (match) return clip.objects.some(({ colour, shape }) => colour === match![1] && shape === match![2]);
  match = /^the background is (\w+)$/.exec(caption);
  if (match) return clip.background === match[1];
  match = /^the number of objects in frame (\d) is (\w+)$/.exec(caption);
  if (match) {
    const alive = clip.objects.filter((_, i) => cellOf(clip, i, Number(match![1]) - 1) !== undefined).length;
    return ['zero', 'one', 'two', 'three', 'four', 'five'].indexOf(match[2]!) === alive;
  }
  match =
    /^the (\w+ \w+) (?:(stays still)|moves(?: (left|right|up|down))?) from frame (\d) to frame \d$/.exec(
      caption,
    );
  if (match) {
    const event = clip.events.find(
      (e) =>
        e.object === find(match![1]!) &&
        e.beat === Number(match![4]) &&
        (e.kind === 'move' || e.kind === 'push'),
    );
    if (match[2] !== undefined) return event === undefined;
    return event !== undefined && (match[3] === undefined || event.direction === match[3]);
  }
  match = /^the (\w+) object touches the (\w+) object$/.exec(caption);
  if (match) {
    return clip.events.some(
      (e) =>
        e.kind === 'move' &&
        e.target !== undefined &&
        clip.objects[e.object]!.colour === match![1] &&
        clip.objects[e.target]!.colour === match![2],
    );
  }
  match = /^the (\w+) object (moves away|vanishes|shrinks|grows|changes colour)$/.exec(caption);
  if (match) {
    const kind = PRESENT[match[2] as keyof typeof PRESENT];
    return clip.events.some((e) => e.kind === kind && clip.objects[e.object]!.colour === match![1]);
  }
  return undefined;
}

/** The cell at the end of a beat, or undefined once vanished. */
function cellOf(clip: Clip, object: number, beat: number): number | undefined {
  let cell: number | undefined = clip.objects[object]?.cell;
  for (const event of clip.events) {
    if (event.object !== object || event.beat > beat) continue;
    if (event.kind === 'vanish') cell = undefined;
    if (event.kind === 'move' || event.kind === 'push') cell = event.to;
  }
  return cell;
}

describe('descriptions', () => {
  const pushed: Clip = {
    id: 'example',
    frames: 16,
    background: 'gray',
    objects: [
      { colour: 'red', shape: 'circle', cell: 3, offset: [0, 0], phase: 0 },
      { colour: 'blue', shape: 'star', cell: 4, offset: [0, 0], phase: 0 },
      { colour: 'green', shape: 'cross', cell: 8, offset: [0, 0], phase: 0 },
    ],
    events: [
      { kind: 'move', beat: 1, object: 0, direction: 'right', from: 3, to: 4, target: 1 },
      { kind: 'push', beat: 1, object: 1, cause: 0, direction: 'right', from: 4, to: 5 },
      { kind: 'move', beat: 2, object: 2, direction: 'up', from: 8, to: 5, target: 1 },
      { kind: 'paint', beat: 2, object: 1, cause: 2 },
    ],
  };

  it('tell the whole clip', () => {
    expect(describeClip(factsOf(pushed))).toBe(
      'a red circle, a blue star and a green cross on a gray background. ' +
        'the red circle moves right and touches the blue star. the blue star is pushed right. ' +
        'the green cross moves up and touches the blue star. the blue star turns green.',
    );
  });

  it('tell what a frame shows, in the colours it has then', () => {
    expect(describeFrame(factsOf(pushed), 0)).toBe(
      'red circle left, blue star centre, green cross bottom right.',
    );
    expect(describeFrame(factsOf(pushed), 3)).toBe('red circle centre, green star right, green cross right.');
  });

  it('use every colour and effect', () => {
    const text = samples.map((sample) => sample.target).join(' ');
    for (const word of [...COLOURS, 'pushed', 'vanishes', 'shrinks', 'grows', 'turns'])
      expect(text).toContain(word);
    expect(EFFECTS).toHaveLength(5);
  });
});
