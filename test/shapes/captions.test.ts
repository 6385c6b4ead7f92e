/** Captions of the shapes world are true. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import {
  CAPTION_TASKS,
  type CaptionSample,
  captionSamples,
  describeClip,
  describeFrame,
} from '../../src/shapes/captions.js';
import { factsOf, NUMBERS } from '../../src/shapes/language.js';
import { askAll } from '../../src/shapes/questions.js';
import { BEATS, type Clip, COLOURS, EFFECTS, LOCATIONS } from '../../src/shapes/scene.js';

function take(count: number, seed: number | string, options = {}): CaptionSample[] {
  const stream = captionSamples(seed, options);
  return Array.from({ length: count }, () => stream.next().value);
}

const samples = take(4000, 'captions-test');
/** As the last stage of pre-training draws them: plain questions, over any number of frames. */
const asked = take(4000, 'asked', { questionShare: 0.7, spanShare: 0.4, nearShare: 0.75 });
const drawn = [...samples, ...asked];

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
    const tasks = CAPTION_TASKS.filter((task) => task !== 'narrate' && task !== 'reason');
    expect(new Set(samples.map((sample) => sample.task))).toEqual(new Set(tasks));
  });

  it('follows the mix', () => {
    const none = { describe: 0, frame: 0, change: 0, follow: 0, explain: 0 };
    const tasks = take(600, 3, { mix: { ...none, cloze: 1, choice: 2 } }).map((sample) => sample.task);
    expect(new Set(tasks)).toEqual(new Set(['cloze', 'choice']));
    expect(tasks.filter((task) => task === 'choice').length / 600).toBeGreaterThan(0.58);
    expect(take(8, 3, { samplesPerClip: 8 }).every((sample, _, all) => sample.clip === all[0]!.clip)).toBe(
      true,
    );
  });

  it('never shows a question of the dataset, nor asks for a cause or an order', () => {
    const questions = new Set(
      drawn.flatMap(({ clip }) => askAll(clip, new Rng(0)).map((question) => question.question)),
    );
    for (const { prompt, target } of drawn) {
      for (const text of [prompt, target]) {
        expect(/\b(why|because|react|when|after|before|while)\b/i.test(text)).toBe(false);
        expect(
          questions.has(text.replace(/^(Explanation )?Question: /, '').replace(/ Option A: .*$/, '')),
        ).toBe(false);
      }
    }
  });

  it('asks plain questions in their share', () => {
    const isQuestion = ({ prompt }: CaptionSample) =>
      /Question: (which|what|where|how|to which)\b/.test(prompt);
    expect(samples.filter(isQuestion)).toEqual([]);
    const cloze = asked.filter(({ task }) => task === 'cloze');
    expect(Math.abs(cloze.filter(isQuestion).length / cloze.length - 0.7)).toBeLessThan(0.06);
  });

  it.each([0, 1])('asks about one frame in a share of %d of the cloze', (sceneShare) => {
    const mix = Object.fromEntries(CAPTION_TASKS.map((task) => [task, task === 'cloze' ? 1 : 0]));
    const aboutOne = / is at the | is a (?!t)|the background is|the number of objects/;
    for (const { prompt } of take(300, 'scene-share', { mix, sceneShare }))
      expect({ prompt, aboutOne: aboutOne.test(prompt) }).toEqual({ prompt, aboutOne: sceneShare === 1 });
  });

  it('balances the letters of the choices, of two to five options', () => {
    const choices = samples.filter((sample) => sample.task === 'choice');
    const sizeOf = ({ prompt }: CaptionSample) => prompt.split(/ Option [A-E]: /).length - 1;
    for (let size = 2; size <= 5; size++) {
      const ofSize = choices.filter((choice) => sizeOf(choice) === size);
      expect(ofSize.length / choices.length).toBeGreaterThan(0.15);
      for (const letter of 'ABCDE'.slice(0, size)) {
        const share = ofSize.filter(({ target }) => target === `Option ${letter}`).length / ofSize.length;
        expect(Math.abs(share - 1 / size), `${letter} of ${size}`).toBeLessThan(
          4 * Math.sqrt(0.2 / ofSize.length),
        );
      }
    }
  });

  it('has exactly one option that makes the statement true of the clip', () => {
    let checked = 0;
    for (const { task, clip, prompt, target } of drawn) {
      if (task !== 'choice') continue;
      const [, question, listed] = /^Question: (.*?) (Option A: .*) Considering/.exec(prompt)!;
      const options = listed!.split(/ ?Option [A-E]: /).slice(1);
      const truths = options.map((option) =>
        holds(clip, question === 'select the caption' ? option : fill(question!, option)),
      );
      expect({ prompt, right: truths.indexOf(true) }).toEqual({
        prompt,
        right: 'ABCDE'.indexOf(target.slice(-1)),
      });
      expect(truths.filter(Boolean)).toHaveLength(1);
      checked++;
    }
    expect(checked).toBeGreaterThan(1800);
  });

  it('prefers wrong options that the clip suggests', () => {
    const near = take(3000, 'near', { nearShare: 1, statementShare: 0, mix: { choice: 30 } });
    let checked = 0;
    for (const { clip, prompt, target } of near) {
      const match = /Complete: the (.+) is at the blank (.+?) (Option A: .*) Considering/.exec(prompt);
      if (match === null) continue;
      const wrong = match[3]!.split(/ ?Option [A-E]: /).slice(1);
      const [right] = wrong.splice('ABCDE'.indexOf(target.slice(-1)), 1);
      const object = find(clip, match[1]!);
      const others = clip.objects.map((_, i) => cellOf(clip, i, beatOf(match[2]!)));
      const own = [0, 1, 2, 3].map((beat) => cellOf(clip, object, beat));
      const places = new Set<string>(
        [...others, ...own].flatMap((cell) => (cell === undefined ? [] : LOCATIONS[cell]!)),
      );
      places.delete(right!);
      const suggested = wrong.filter((place) => places.has(place)).length;
      expect({ prompt, suggested }).toEqual({ prompt, suggested: Math.min(places.size, wrong.length) });
      checked++;
    }
    expect(checked).toBeGreaterThan(100);
  });

  it('reasons in prose beside the options of a question', () => {
    const only = Object.fromEntries(CAPTION_TASKS.map((task) => [task, task === 'reason' ? 1 : 0]));
    for (const { prompt, target } of take(200, 'reason', { mix: only, questionShare: 1 })) {
      expect(prompt).toMatch(/^Question: .* Option A: .* Option B: .* select the correct answer/);
      expect(target).toMatch(/[.]$/);
      expect(target).not.toMatch(/Option|because/);
    }
  });

  it('asks in a cloze for a value that makes the statement true', () => {
    for (const { task, clip, prompt, target } of drawn) {
      if (task !== 'cloze') continue;
      const statement = fill(prompt.replace('Question: ', ''), target);
      expect({ statement, true: holds(clip, statement) }).toEqual({ statement, true: true });
    }
  });
});

const PAST = {
  'moved away': 'push',
  vanished: 'vanish',
  shrank: 'shrink',
  grew: 'grow',
  'changed colour': 'paint',
} as const;
const EFFECT = '(moved away|vanished|shrank|grew|changed colour)';

/** The statement a value makes of a statement to complete or of a plain question. */
function fill(question: string, value: string): string {
  if (question.startsWith('Complete: ')) return question.slice('Complete: '.length).replace('blank', value);
  const answers = QUESTIONS.filter(([pattern]) => pattern.test(question));
  expect({ question, readers: answers.length }).toEqual({ question, readers: 1 });
  return question.replace(...answers[0]!).replace('VALUE', value);
}

const QUESTIONS: [RegExp, string][] = [
  [/^where can we see (the \w+ \w+) (.+)$/, '$1 is at the VALUE $2'],
  [/^which object can we see (at the (?:top|bottom|left|right|centre).*)$/, 'VALUE is $1'],
  [/^which shape has (.+)$/, '$1 is a VALUE'],
  [/^which colour has the background$/, 'the background is VALUE'],
  [/^how many objects can we see (.+)$/, 'the number of objects $1 is VALUE'],
  [/^how many objects moved (.+)$/, 'the number of objects that moved $1 is VALUE'],
  [/^what did (the \w+ \w+) do (from .+)$/, '$1 $2: VALUE'],
  [/^what did (the \w+ object) do in the video$/, '$1: VALUE'],
  [/^which object moved (.+)$/, 'VALUE moved $1'],
  [/^which object touched (.+)$/, 'VALUE touched $1'],
  [/^which object did (.+) touch$/, '$1 touched VALUE'],
  [/^to which colour did (.+) change$/, '$1 turns VALUE'],
  [/^which is the object that (.+)$/, 'VALUE $1'],
];

/** Whether a statement is true, from the events alone. */
function holds(clip: Clip, statement: string): boolean {
  const read = READERS.map(([pattern, holdsOf]) => {
    const match = new RegExp(`^${pattern}$`).exec(statement);
    return match && holdsOf(clip, ...match.slice(1));
  }).filter((value) => value !== null);
  expect({ statement, readers: read.length }).toEqual({ statement, readers: 1 });
  return read[0]!;
}

const READERS: [string, (clip: Clip, ...parts: string[]) => boolean][] = [
  [
    'the (\\w+ \\w+) is at the (top left|top right|bottom left|bottom right|top|bottom|left|right|centre) ((?:in|at) .+)',
    (clip, name, place, moment) =>
      cellOf(clip, find(clip, name!), beatOf(moment!)) === LOCATIONS.indexOf(place as never),
  ],
  [
    'the (\\w+) object is a (\\w+)',
    (clip, colour, shape) => clip.objects.some((o) => o.colour === colour && o.shape === shape),
  ],
  ['the background is (\\w+)', (clip, background) => clip.background === background],
  [
    'the number of objects ((?:in|at) .+) is (\\w+)',
    (clip, moment, number) => {
      const alive = clip.objects.filter((_, i) => cellOf(clip, i, beatOf(moment!)) !== undefined).length;
      return NUMBERS.indexOf(number as never) === alive;
    },
  ],
  [
    'the (\\w+ \\w+) from frame (\\d) to frame (\\d): it (stayed still|moved (?:left|right|up|down))',
    (clip, name, from, to, action) => {
      const events = motionsOf(clip, find(clip, name!), from!, to!);
      return (
        (events.length === 1 && action === `moved ${events[0]!.direction}`) ||
        (action === 'stayed still' && events.length === 0)
      );
    },
  ],
  [
    'the (\\w+ \\w+) moved from frame (\\d) to frame (\\d)',
    (clip, name, from, to) => motionsOf(clip, find(clip, name!), from!, to!).length > 0,
  ],
  [
    'the number of objects that moved from frame (\\d) to frame (\\d) is (\\w+)',
    (clip, from, to, number) => {
      const moved = clip.objects.filter((_, i) => motionsOf(clip, i, from!, to!).length > 0).length;
      return NUMBERS.indexOf(number as never) === moved;
    },
  ],
  [
    'the (\\w+) object touched the (\\w+) object',
    (clip, mover, target) =>
      clip.events.some(
        (e) =>
          e.kind === 'move' &&
          e.target !== undefined &&
          clip.objects[e.object]!.colour === mover &&
          clip.objects[e.target]!.colour === target,
      ),
  ],
  [
    `the (\\w+) object(?:: it)? ${EFFECT}`,
    (clip, colour, effect) => {
      const kind = PAST[effect as keyof typeof PAST];
      return clip.events.some((e) => e.kind === kind && clip.objects[e.object]!.colour === colour);
    },
  ],
  [
    'the (\\w+) object turns (\\w+)',
    (clip, colour, other) =>
      clip.events.some(
        (e) =>
          e.kind === 'paint' &&
          clip.objects[e.object]!.colour === colour &&
          clip.objects[e.cause]!.colour === other,
      ),
  ],
];

function find(clip: Clip, name: string): number {
  return clip.objects.findIndex(({ colour, shape }) =>
    [`${colour} object`, `${colour} ${shape}`].includes(name),
  );
}

function beatOf(moment: string): number {
  const beat = { 'at the start': 0, 'at the end': BEATS - 1 }[moment];
  return beat ?? Number(/^in frame (\d)$/.exec(moment)![1]) - 1;
}

/** How an object moved between two frames, counted from 1. */
function motionsOf(clip: Clip, object: number, from: string, to: string) {
  return clip.events.filter(
    (e) =>
      e.object === object &&
      e.beat >= Number(from) &&
      e.beat < Number(to) &&
      (e.kind === 'move' || e.kind === 'push'),
  );
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

  it('describe a frame, in its colours at that time', () => {
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
