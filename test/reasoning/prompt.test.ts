/** The teacher's prompt. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { framesToPng, framesToUrls, pngDataUrl } from '../../src/reasoning/images.js';
import {
  parseTeacherPrompt,
  promptFor,
  promptId,
  readTemplate,
  TEACHER_INSTRUCTION,
  teacherPrompt,
} from '../../src/reasoning/prompt.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

it('is the prompt of appendix A.3 with question and options in place', () => {
  expect(teacherPrompt('Which object was tidied up by the person?', ['The blanket.', 'The table.'])).toBe(
    'These frames are uniformly sampled from a video. Given a question about the video, you should choose the correct ' +
      'answer option from a list of possible answers based on the video content and respond with the option in the ' +
      "format '###Answer: A'. You should also provide a detailed reasoning process explaining why the chosen answer is " +
      'correct. Cite specific details from the video frames to support your answer. Explain each step of the reasoning ' +
      'to ensure that the answer is logical and reliable. ###Question: Which object was tidied up by the person?, ' +
      '###Hints: A: The blanket, B: The table.',
  );
});

const paper = sharedPath('paper/reasvqa.txt');
describeWithShared('the paper', ['paper/reasvqa.txt'], () => {
  it('prints the same instruction and the same template', () => {
    const text = readFileSync(paper as string, 'utf8');
    expect(text).toContain(`${TEACHER_INSTRUCTION} ###Question: question, ###Hints: options.`);
  });
});

it('can be read back, for any question and options', () => {
  const rng = new Rng('prompts');
  const words = ['the man', 'walks, then', 'B:', 'sits: down', '?', '###', 'a "dog"', '(C)', 'ball, red'];
  const phrase = () => Array.from({ length: 1 + rng.int(4) }, () => rng.pick(words)).join(' ');
  for (let i = 0; i < 500; i++) {
    const question = phrase();
    const options = Array.from({ length: 2 + rng.int(8) }, phrase);
    expect(parseTeacherPrompt(teacherPrompt(question, options))).toEqual({ question, options });
  }
  expect(parseTeacherPrompt('What is this?')).toBeUndefined();
});

it('stays one line when the annotation has line breaks', () => {
  expect(teacherPrompt('a\n b ', ['c\r\nd', 'e'])).toMatch(/###Question: a b, ###Hints: A: c d, B: e\.$/);
});

describe('frames as images', () => {
  const rng = new Rng('pixels');
  const frames = { n: 2, height: 5, width: 8, data: Uint8Array.from({ length: 240 }, () => rng.int(256)) };

  it('keep every pixel', async () => {
    const pngs = await framesToPng(frames);
    expect(pngs).toHaveLength(2);
    for (const [i, png] of pngs.entries()) {
      const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
      expect(info).toMatchObject({ width: 8, height: 5, channels: 3 });
      expect(data).toEqual(Buffer.from(frames.data.subarray(i * 120, (i + 1) * 120)));
      const url = pngDataUrl(png);
      expect(url.startsWith('data:image/png;base64,iVBOR')).toBe(true);
      expect(Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')).toEqual(png);
    }
  });

  it('are scaled down to maxSide, never up', async () => {
    const sizes = async (maxSide: number) => {
      const meta = await sharp((await framesToPng(frames, { maxSide }))[0]).metadata();
      return [meta.width, meta.height];
    };
    expect(await sizes(4)).toEqual([4, 3]);
    expect(await sizes(100)).toEqual([8, 5]);
  });

  it('are no more than one request can hold', async () => {
    const [first] = await framesToPng(frames);
    const most = first!.length;
    await expect(
      framesToUrls({ ...frames, n: 1, data: frames.data.subarray(0, 120) }, { most }),
    ).resolves.toHaveLength(1);
    await expect(framesToUrls(frames, { most })).rejects.toThrow(
      'the first 2 of 2 images take 0 MiB, more than one request can hold; use fewer --frames',
    );
  });

  it('must have the bytes their shape says', async () => {
    await expect(framesToPng({ ...frames, n: 3 })).rejects.toThrow(
      'frames hold 240 bytes, expected 3 x 5 x 8 x 3',
    );
  });
});

describe('a prompt of the user', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'prompt-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const written = (content: string | Buffer) => {
    const path = join(folder, 'prompt.txt');
    writeFileSync(path, content);
    return path;
  };

  it('is filled in once, with nothing of the question read as a placeholder', async () => {
    const template = await readTemplate(
      written('\ufeffQ: {question}\n{options} as {"answer": "A"} {x y}\r\n'),
      'reasoning',
    );
    expect(promptFor('reasoning', 'is $& {options}\n red?', ['a.', '{question}'], template)).toBe(
      'Q: is $& {options} red?\nA: a, B: {question} as {"answer": "A"} {x y}',
    );
  });

  it('in the words of the paper has the id of the paper', async () => {
    const words = `${TEACHER_INSTRUCTION} ###Question: {question}, ###Hints: {options}.`;
    expect(promptId('reasoning', await readTemplate(written(`${words}\n`), 'reasoning'))).toBe(
      promptId('reasoning'),
    );
  });

  it('of a caption needs no placeholder', async () => {
    expect(await readTemplate(written('Describe it.'), 'brief')).toBe('Describe it.');
  });

  it.each<[string | Buffer, RegExp]>([
    ['Why?', /prompt\.txt: \{question\} is missing/],
    ['{question}', /\{options\} is missing, so the teacher would not see it/],
    [
      '{question}\n{options} {Question}',
      /prompt\.txt:2: unknown placeholder \{Question\}; the placeholders are/,
    ],
    ['', /empty or no UTF-8 text/],
    [' \n', /empty or no UTF-8 text/],
    [Buffer.from([0x7b, 0xff]), /empty or no UTF-8 text/],
    ['{question}{options}\0', /empty or no UTF-8 text/],
    ['x'.repeat(70_000), /70000 bytes, expected at most 65536/],
  ])('%j is refused', async (content, message) => {
    const path = written(content);
    await expect(readTemplate(path, 'reasoning')).rejects.toThrow(UsageError);
    await expect(readTemplate(path, 'reasoning')).rejects.toThrow(message);
  });

  it('that is missing is refused', async () => {
    await expect(readTemplate(join(folder, 'none'), 'reasoning')).rejects.toThrow(
      /none: the prompt cannot be read/,
    );
  });
});
