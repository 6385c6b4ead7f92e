/** Calls for the frames of a span: how they are read, checked, and written; whole dialogues; what is learned from. */

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import type { Sample, Span } from '../../src/data/sample.js';
import { Dialogue, dialogueText, shownCalls } from '../../src/text/dialogue.js';
import { callTurn, lookLessons } from '../../src/text/lessons.js';
import {
  boundsOf,
  callText,
  decodeTurn,
  encodeTurn,
  lengthened,
  shortened,
  spanFault,
  turnOf,
} from '../../src/text/looking.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { NOISE, noisyWindow, randomWindow, windowOf } from '../../src/text/windows.js';

const SAMPLE: Sample = {
  ...{ id: 's', dataset: 'jsonl', video: 'v', question: 'when', options: [], type: 'all', task: 'ground' },
  spans: [[4, 6]],
  duration: 16,
};
const json = (start: unknown, end: unknown, name: unknown = 'get_video_clip_frame') =>
  `<tool_call>${JSON.stringify({ name, arguments: { start_time: start, end_time: end } })}</tool_call>`;
const GOOD = `<think>hm</think> ${json(3.2, 5.6)}`;
const ANSWER = '<think>so</think> <answer>4.0 to 6.0 seconds</answer>';

describe('a turn', () => {
  it("calls in VITAL's form", () => {
    expect(callText([3.2, 5.625])).toBe(
      '<tool_call>{"name": "get_video_clip_frame", "arguments": {"start_time": 3.20, "end_time": 5.63}}</tool_call>',
    );
    expect(turnOf(callText([3.2, 5.6])).call).toEqual([3.2, 5.6]);
  });

  it.each<[string, string, object]>([
    ['a good call', GOOD, { call: [3.2, 5.6] }],
    [
      'white space around the JSON',
      `<tool_call>\n${json(1, 3).slice(11, -12)}\n</tool_call>`,
      { call: [1, 3] },
    ],
    ['two calls, of which the first counts', `${json(1, 3)} ${json(5, 9)}`, { call: [1, 3] }],
    ['an answer', ANSWER, {}],
    ['a call after the answer, which is not looked at', `${ANSWER} ${json(1, 3)}`, {}],
    ['a call after an answer that is not closed', `<answer>B ${json(1, 3)}`, {}],
    ['an empty text', '', {}],
    ['words alone', 'the ball moves', {}],
    [
      'words for numbers',
      json('three', 5),
      { fault: expect.stringContaining('start_time must be a number') },
    ],
    ['a number in quotes', json(3, '5'), { fault: expect.stringContaining('end_time must be a number') }],
    ['a missing time', json(3, undefined), { fault: expect.stringContaining('end_time must be a number') }],
    ['a time of null', json(null, 3), { fault: expect.stringContaining('got null') }],
    ['an infinite time', json(1, 0).replace('0}', '1e999}'), { fault: expect.stringContaining('end_time') }],
    ['another tool', json(1, 3, 'zoom'), { fault: expect.stringContaining('there is no tool "zoom"') }],
    [
      'a tool without a name',
      '<tool_call>{}</tool_call>',
      { fault: expect.stringContaining('there is no tool nothing') },
    ],
    [
      'no arguments',
      '<tool_call>{"name": "get_video_clip_frame"}</tool_call>',
      { fault: expect.stringContaining('start_time') },
    ],
    [
      'torn JSON',
      '<tool_call>{"name": "get_video</tool_call>',
      { fault: expect.stringContaining('no JSON') },
    ],
    ['an empty call', '<tool_call></tool_call>', { fault: expect.stringContaining('no JSON') }],
    ['JSON that is no object', '<tool_call>null</tool_call>', { fault: expect.stringContaining('no tool') }],
    ['a list', '<tool_call>[3, 5]</tool_call>', { fault: expect.stringContaining('no tool') }],
    [
      'a call that is cut off',
      '<think>a</think> <tool_call>{"name": 1',
      { fault: expect.stringContaining('does not end') },
    ],
  ])('of %s', (_, text, expected) => {
    const { text: kept, ...read } = turnOf(text);
    expect(read).toEqual(expected);
    expect(text).toContain(kept);
  });

  it('ends with its first call or answer', () => {
    expect(turnOf(` ${GOOD} and more`).text).toBe(GOOD);
    expect(turnOf(`${ANSWER}</tool_call>`).text).toBe(ANSWER);
  });
});

describe('the span of a call', () => {
  const bounds = { from: 0, to: 16 };

  it.each<[Span, string | undefined]>([
    [[3.2, 5.6], undefined],
    [[0, 16], undefined],
    [[5, 3], 'the start must be before the end'],
    [[5, 5], 'the start must be before the end'],
    [[-1, 3], 'the start must be at least 0'],
    [[14, 16.1], 'the end must be at most 16.0'],
    [[20, 30], 'the end must be at most 16.0'],
    [[3, 3.5], 'the span must be longer than 1.0 seconds'],
    // 4.1 - 3.1 and 2.3 - 1.3 are off to either side in binary.
    [[3.1, 4.1], 'the span must be longer than 1.0 seconds'],
    [[1.3, 2.3], 'the span must be longer than 1.0 seconds'],
    [[1.3, 2.4], undefined],
  ])('%j: %s', (span, fault) => {
    expect(spanFault(span, bounds)).toEqual(fault === undefined ? undefined : expect.stringContaining(fault));
  });

  it('may end where the prompt says that the video does', () => {
    expect(boundsOf({ duration: 15.96 })).toEqual({ from: 0, to: 16 });
    expect(boundsOf({ duration: 16.04 })).toEqual({ from: 0, to: 16.04 });
  });

  it('lies in the clip of its sample', () => {
    const own = boundsOf({ start: 4, end: 9, duration: 16 })!;
    expect(spanFault([5, 8], own)).toBeUndefined();
    expect(spanFault([3, 8], own)).toContain('at least 4');
    expect(spanFault([5, 10], own)).toContain('at most 9.0');
    expect(boundsOf({ end: 20, duration: 16 })).toEqual({ from: 0, to: 16 });
    expect(boundsOf({ end: 20 })).toEqual({ from: 0, to: 20 });
    expect(boundsOf({})).toBeUndefined();
  });
});

describe('two numbers as a call', () => {
  it('become the JSON that they stand for, and the other way round', () => {
    const text = `<think>a</think> ${callText([3.2, 5.6])}`;
    expect(shortened(text)).toBe('<think>a</think> <tool_call>3.2 5.6</tool_call>');
    expect(lengthened(shortened(text))).toBe(text);
  });

  it.each(['3.2', 'three five', '3.2 5.6 7', '-1 3', '3,2 5', '', '1:02 1:05'])('are not %j', (content) => {
    const text = `<tool_call>${content}</tool_call>`;
    expect(lengthened(text)).toBe(text);
    expect(turnOf(lengthened(text)).fault).toBeDefined();
  });

  it('leave a call alone that they cannot say', () => {
    const text = json('three', 5);
    expect(shortened(text)).toBe(text);
  });
});

describe('the tokens of a turn', () => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.load(fileURLToPath(new URL('../../weights/shapes', import.meta.url)));
  });

  it('hold a call as tags around two numbers, and give it back as JSON', () => {
    const ids = encodeTurn(tokenizer, callTurn([3.2, 15.6]));
    expect(ids).not.toContain(tokenizer.unkId);
    expect(ids.length).toBeLessThan(24);
    expect(decodeTurn(tokenizer, ids)).toBe(callTurn([3.2, 15.6]));
  });
});

describe('a dialogue', () => {
  const talk = (sample: Partial<Sample>, looks: number, ...texts: string[]) => {
    const dialogue = new Dialogue({ ...SAMPLE, ...sample }, { looks, perSecond: 2 });
    const given = texts.map((text, i) => dialogue.take(text, [i]));
    return { turns: dialogue.turns, given };
  };

  it('goes on with the frames of a call, what they are, and what was thought', () => {
    const { turns, given } = talk({}, 2, GOOD, ANSWER);
    expect(given[0]).toEqual({
      ...SAMPLE,
      start: 3.2,
      end: 5.6,
      look: { result: 'Video clip from 3.20 to 5.60 seconds.', before: 'hm', perSecond: 2, kept: false },
    });
    expect(given[1]).toBeUndefined();
    expect(turns).toEqual([
      {
        text: GOOD,
        call: [3.2, 5.6],
        result: 'Video clip from 3.20 to 5.60 seconds.',
        shown: [3.2, 5.6],
        frames: [0],
      },
      { text: ANSWER, frames: [1] },
    ]);
    expect(dialogueText(turns)).toBe(`${GOOD} ${ANSWER}`);
    expect(shownCalls(turns)).toBe(1);
  });

  it.each<[string, string, string]>([
    ['reversed', json(6, 3), 'the start must be before the end, got 6 and 3'],
    ['beyond the video', json(3, 60), 'the end must be at most 16.0, got 60'],
    ['before it', json(-3, 6), 'the start must be at least 0, got -3'],
    ['under a second', json(3, 3.5), 'the span must be longer than 1.0 seconds, got 0.5'],
    ['in words', json('three', 'five'), 'start_time must be a number of seconds, got "three"'],
    ['for another tool', json(3, 5, 'zoom'), 'there is no tool "zoom", only get_video_clip_frame'],
    ['torn', '<tool_call>{"name"</tool_call>', 'the call is no JSON: "{\\"name\\""'],
  ])('tells a student whose call is %s, shows what it saw, and counts no call', (_, call, fault) => {
    const { turns, given } = talk({}, 2, `<think>x</think> ${call}`);
    expect(turns[0]!.result).toBe(`The call failed: ${fault}.`);
    expect(given[0]).toEqual({ ...SAMPLE, look: { result: turns[0]!.result, before: 'x', kept: true } });
    expect(shownCalls(turns)).toBe(0);
  });

  it('keeps the frames of an earlier call where a later one fails', () => {
    const { turns, given } = talk({}, 2, GOOD, json(9, 1));
    expect(given[1]).toMatchObject({ start: 3.2, end: 5.6, look: { perSecond: 2, kept: false } });
    expect(shownCalls(turns)).toBe(1);
  });

  it.each([0, 1, 2])('is over with a call more than the %d that are answered', (looks) => {
    const { turns, given } = talk({}, looks, ...Array<string>(looks + 1).fill(GOOD));
    expect(given.map((next) => next !== undefined)).toEqual([...Array(looks).fill(true), false]);
    expect(turns.at(-1)!.result).toBe(`The call failed: no further call is answered, ${looks} at most.`);
    expect(shownCalls(turns)).toBe(looks);
  });

  it.each(['', 'words', '<think>a</think>', `${ANSWER} ${GOOD}`])('is over with %j', (text) => {
    const { turns, given } = talk({}, 2, text);
    expect(given).toEqual([undefined]);
    expect(turns[0]!.result).toBeUndefined();
  });

  it('tells a student that frames cannot be read', () => {
    const dialogue = new Dialogue(SAMPLE, { looks: 2, perSecond: 2 });
    dialogue.take(GOOD, []);
    expect(dialogue.unreadable().look).toEqual({
      ...{ result: 'The call failed: these frames cannot be read.', before: 'hm', kept: true },
    });
    expect(shownCalls(dialogue.turns)).toBe(0);
  });

  it('refuses a sample of unknown length', () => {
    const { duration: _, ...unknown } = SAMPLE;
    expect(() => new Dialogue(unknown, { looks: 1, perSecond: 2 })).toThrow('sample s: no duration');
  });
});

describe('windows', () => {
  const bounds = { from: 0, to: 16 };
  const spans: Span[] = [
    [0, 0.3],
    [4, 6],
    [15.5, 16],
    [3.15159, 9.87654],
    [0, 16],
    [7, 7.5],
  ];

  it.each(spans)('can be called for about %d to %d', (...span) => {
    for (let i = 0; i < 50; i++) {
      const rng = new Rng(`window/${i}`);
      for (const window of [
        windowOf(span, bounds),
        noisyWindow(span, bounds, rng),
        randomWindow(span, bounds, rng),
      ]) {
        expect(spanFault(window!, bounds)).toBeUndefined();
        for (const time of window!) expect(Number(time.toFixed(1))).toBe(time);
      }
    }
  });

  it('move each end by up to 20 % of the length, to both sides', () => {
    const moved = Array.from({ length: 400 }, (_, i) => noisyWindow([4, 9], bounds, new Rng(`${i}`))!);
    const starts = moved.map(([start]) => start - 4);
    // Rounding the middle and the length to tenths moves an end by a tenth.
    expect(Math.max(...starts)).toBeLessThanOrEqual(5 * NOISE + 0.11);
    expect(Math.min(...starts)).toBeGreaterThanOrEqual(-5 * NOISE - 0.11);
    expect(Math.max(...starts)).toBeGreaterThan(0.8);
    expect(Math.min(...starts)).toBeLessThan(-0.8);
  });

  it('are as long as the true one where they are random, anywhere in the video', () => {
    const drawn = Array.from({ length: 400 }, (_, i) => randomWindow([4, 6], bounds, new Rng(`${i}`))!);
    for (const [start, end] of drawn) expect(end - start).toBeCloseTo(2, 9);
    expect(Math.min(...drawn.map(([start]) => start))).toBeLessThan(0.5);
    expect(Math.max(...drawn.map(([, end]) => end))).toBeGreaterThan(15.5);
  });

  it('are none in a clip of a second', () => {
    expect(windowOf([0.2, 0.5], { from: 0, to: 1 })).toBeUndefined();
    expect(randomWindow([0.2, 0.5], { from: 3, to: 4 }, new Rng('a'))).toBeUndefined();
  });
});

describe('lessons', () => {
  it('are two turns of a sample with a span, and one of another', () => {
    const open: Sample = { ...SAMPLE, id: 'o', task: 'open', answers: ['a'] };
    delete open.spans;
    const lessons = lookLessons([SAMPLE, open], { seed: 1, perSecond: 2 });
    expect(lessons.map(({ id }) => id)).toEqual(['s', 's#look', 'o']);
    const [first, second, third] = lessons as [Sample, Sample, Sample];
    expect(spanFault(first.call!, { from: 0, to: 16 })).toBeUndefined();
    expect([second.start, second.end]).toEqual(first.call);
    expect(second.look).toMatchObject({ perSecond: 2, kept: true });
    expect(second.call).toBeUndefined();
    expect(third).toBe(open);
  });

  it('teach what a student that repeats them is given', () => {
    const [first, second] = lookLessons([SAMPLE], { seed: 1, perSecond: 2 }) as [Sample, Sample];
    const dialogue = new Dialogue(SAMPLE, { looks: 1, perSecond: 2 });
    const next = dialogue.take(callTurn(first.call!), [])!;
    expect({ ...next, id: second.id, look: { ...next.look, kept: true } }).toEqual(second);
  });

  it('follow from the seed and the sample', () => {
    const calls = (seed: number) => lookLessons([SAMPLE], { seed, perSecond: 2 })[0]!.call;
    expect(calls(1)).toEqual(calls(1));
    expect(new Set([1, 2, 3, 4].map((seed) => JSON.stringify(calls(seed)))).size).toBeGreaterThan(1);
  });
});
