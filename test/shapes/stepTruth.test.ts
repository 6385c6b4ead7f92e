/** Which steps about a clip are true, in the teacher's words and in a student's. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll } from '../../src/shapes/questions.js';
import { fourFrames } from '../../src/shapes/render.js';
import { type Clip, DIRECTIONS } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { clausesOf } from '../../src/shapes/stepTruth.js';
import { truthOfFiles } from '../../src/shapes/truth.js';
import { truthOf } from './oracle.js';

const object = (colour: string, shape: string, cell: number) =>
  ({ colour, shape, cell, offset: [0, 0], phase: 0 }) as unknown as Clip['objects'][number];
/** The red star moves right and makes the blue circle vanish; then the green square moves down twice as far. */
const CLIP: Clip = {
  id: 'c',
  frames: 16,
  background: 'black',
  objects: [object('red', 'star', 0), object('blue', 'circle', 2), object('green', 'square', 3)],
  events: [
    { kind: 'move', beat: 1, object: 0, direction: 'right', from: 0, to: 1, target: 1 },
    { kind: 'vanish', beat: 1, object: 1, cause: 0 },
    { kind: 'move', beat: 3, object: 2, direction: 'down', from: 3, to: 6 },
  ],
};
const read = (step: string, question?: string, beats = fourFrames(CLIP)) =>
  clausesOf(step, { facts: factsOf(CLIP), question, beats })?.map(({ holds }) => holds);

describe('a step', () => {
  it.each<[string, boolean[]]>([
    ['In frame 1, the red star is at the top left and the blue circle is at the top right.', [true, true]],
    ['1. in frame 2, The Red Star is at the top', [true]],
    ['- **In frame 2, the red star is at the top left.**', [false]],
    ['In frame 2, the blue circle is at the top right.', [false]],
    ['From frame 1 to frame 2, the red star moves right and touches the blue circle.', [true]],
    ['From frame 2 to frame 3, the red star moves right and touches the blue circle.', [false]],
    ['From frame 1 to frame 2, the red star moves right and touches the green square.', [false]],
    ['The yellow object touches the blue circle.', [false]],
    ['The red object touches the blue object.', [true]],
    ['The red circle touches the blue circle.', [false]],
    ['After the touch, the blue circle shrinks.', [false]],
    ['Stars make things vanish, so the blue circle vanishes.', [true, true]],
    ['Stars make things shrink, so the blue circle vanishes.', [false, true]],
    ['There is no yellow, cyan or blue object.', [true, true, false]],
    ['From frame 1 to frame 4, the green square stays still.', [false]],
    ['From frame 1 to frame 3, the green square stays still and the red star moves right.', [true, true]],
    ['From frame 3 to frame 4, the green square is pushed down.', [false]],
  ])('%j', (step, holds) => {
    expect(read(step)).toEqual(holds);
  });

  it.each([
    '',
    '😀',
    'Let us look at the frames step by step:',
    '###Answer: B',
    'In frame 9, the red star is at the top.',
    'In frame 0, the red star is at the top.',
    'From frame 3 to frame 2, the red star moves right.',
    'In frame 1, the red star is at the .',
    'In frame 1, the red star is at the top left and the',
    'The red red star star moves moves.',
    'The mauve star moves right.',
    'It does not move left or up.',
    `The red star ${'moves right and '.repeat(8000)}`,
  ])('that is garbled or none is unread: %.60j', (step) => {
    expect(read(step)).toBeUndefined();
  });

  it('is read by the beats of the frames that were shown', () => {
    const step = 'In frame 2, the green square is at the bottom left.';
    expect(read(step)).toEqual([false]);
    expect(read(step, undefined, [0, 3])).toEqual([true]);
    expect(read('In frame 2, the red star moves right.', undefined, [0, 1])).toEqual([true]);
    expect(read('In frame 2, the red star moves right.', undefined, [0, 0])).toEqual([false]);
  });

  it('"it" is what the question is about, as a second reading of the clip has it', () => {
    let checked = 0;
    for (let i = 0; i < 40; i++) {
      const clip = simulateClip(`step-truth/${i}`);
      for (const { question, template } of askAll(clip, new Rng(i))) {
        if (!['manner', 'after', 'before'].includes(template)) continue;
        for (const way of DIRECTIONS) {
          const [clause] = clausesOf(`It does not move ${way}.`, {
            facts: factsOf(clip),
            question,
            beats: fourFrames(clip),
          })!;
          expect(clause!.holds, `${clip.id} ${question} ${way}`).toBe(
            !truthOf(clip, question, `it moved ${way}`),
          );
          checked++;
        }
      }
    }
    expect(checked).toBeGreaterThan(300);
  });
});

describe('files', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  const QUESTION = 'why did the blue object vanish';
  const OPTIONS = ['the red object touched it', 'the green object touched it', 'a', 'b', 'c'];
  const STEPS = 'In frame 1, the red star is at the top left. The green square touches the blue circle.';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'truth-'));
    const header = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
    const rows = [0, 1].map((qid) => ['c', 16, 64, 64, QUESTION, 0, qid, 'CW', ...OPTIONS].join(','));
    writeFileSync(at('train.csv'), `${[header, ...rows].join('\n')}\n`);
    writeFileSync(at('val.csv'), `${header}\n`);
    writeFileSync(at('test.csv'), `${header}\n`);
    writeFileSync(at('events.jsonl'), `${JSON.stringify({ video: 'c', split: 'train', clip: CLIP })}\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (...rows: (object | string)[]) =>
    writeFileSync(
      at('f.jsonl'),
      rows.map((row) => (typeof row === 'string' ? row : `${JSON.stringify(row)}\n`)).join(''),
    );
  const truth = () => truthOfFiles({ world: folder, files: [at('f.jsonl')] });

  it('of a teacher and of a student are counted by their answers, before and after refinement', async () => {
    write(
      { id: 'c_0', reasoning: `${STEPS}\n###Answer: B`, predicted: 1 },
      { id: 'c_1', text: 'In frame 1, the red star is at the top left.\nOh the the.', prediction: 0 },
    );
    const common = { file: 'f.jsonl', chains: 1 };
    expect((await truth()).map(({ share, ...count }) => ({ ...count, rate: share?.rate }))).toEqual([
      { ...common, stage: 'before', answer: 'correct', true: 1, false: 0, unread: 1, wholly: 1, rate: 1 },
      { ...common, stage: 'before', answer: 'incorrect', true: 1, false: 1, unread: 1, wholly: 0, rate: 0.5 },
      { ...common, stage: 'after', answer: 'correct', true: 1, false: 0, unread: 1, wholly: 1, rate: 1 },
      { ...common, stage: 'after', answer: 'incorrect', true: 1, false: 1, unread: 0, wholly: 0, rate: 0.5 },
    ]);
  });

  it('that refine wrote are counted as they are, after it', async () => {
    write({ id: 'c_0', reasoning: STEPS, correct: true, removed: ['###Answer: B'] });
    expect(await truth()).toMatchObject([{ stage: 'after', answer: 'correct', chains: 1, true: 1 }]);
  });

  it.each([
    ['that are refined and right', { correct: true }],
    ['of captions', { correct: null, settings: { prompt: '', writing: 'brief' } }],
  ])('%s keep the steps that hold the true answer when they are refined', async (_, fields) => {
    write({
      id: 'c_0',
      reasoning:
        'In frame 2 one sees that the red object touched it and left. The red object touches the blue object.',
      ...fields,
    });
    const counts = (await truth()).map(({ stage, ...count }) => count);
    expect(counts[1]).toEqual(counts[0]);
    expect(counts[0]).toMatchObject({ chains: 1, unread: 1, true: 1 });
  });

  it('without a step or an answer have neither', async () => {
    write({ id: 'c_0', reasoning: '😀' });
    expect(await truth()).toMatchObject([
      { answer: 'unknown', stage: 'before', chains: 1, share: null, wholly: 0 },
      { answer: 'unknown', stage: 'after', chains: 1, share: null, wholly: 0 },
    ]);
  });

  it.each<[string, (object | string)[], RegExp]>([
    [
      'an unknown id',
      [{ id: 'x_1', reasoning: 'a' }],
      /f\.jsonl:1: field "id": expected an id of the world .*found "x_1"/,
    ],
    [
      'an id twice',
      [
        { id: 'c_0', reasoning: 'a' },
        { id: 'c_0', reasoning: 'a' },
      ],
      /f\.jsonl:2: id "c_0" appears twice/,
    ],
    ['no text', [{ id: 'c_0' }], /f\.jsonl:1: field "reasoning": expected text/],
    [
      'frames that are none',
      [{ id: 'c_0', reasoning: 'a', frames: [99] }],
      /f\.jsonl:1: field "frames": expected a list/,
    ],
    ['a torn line', ['{"id": "c_0", "rea'], /f\.jsonl:1: not JSON/],
    ['nothing', [''], /f\.jsonl:1: expected at least one line of reasoning/],
  ])('with %s are refused', async (_, rows, message) => {
    write(...rows);
    const error = await truth().catch((caught) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
  });

  it('need a world', async () => {
    await expect(truthOfFiles({ world: at('none'), files: [] })).rejects.toThrow(
      /holds no complete shapes world/,
    );
  });
});
