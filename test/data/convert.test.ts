/** Annotations of one form in another: what comes back, and what is named. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { convertAnnotations, describeLoss } from '../../src/data/convert.js';
import { datasetRecords } from '../../src/data/datasets/index.js';
import type { Sample } from '../../src/data/sample.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-convert-'));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

const rng = new Rng('convert');
const text = () =>
  `x${Array.from({ length: 6 }, () => rng.pick(['a', ',', '"', '\n', '\r', 'é', "'", '🐕', '{'])).join('')}x`;

function sample(
  i: number,
  dataset: string,
  type: string,
  options: number,
  clips: boolean,
  blind: boolean,
): Sample {
  const video = `v${i % 3}`;
  return {
    id: dataset === 'star' ? `${type}_T1_${i}` : `${video}_${i}`,
    dataset,
    video,
    ...(clips ? { start: i + 0.5, end: i + 2.25 } : {}),
    question: text(),
    options: Array.from({ length: options }, (_, k) => `${text()}${k}`),
    ...(blind ? {} : { answer: i % options }),
    type,
  };
}

async function write(name: string, samples: readonly object[]): Promise<string> {
  await writeFile(at(name), samples.map((value) => `${JSON.stringify(value)}\n`).join(''));
  return at(name);
}

const forms = datasetRecords().flatMap(({ name, types, write = [] }) =>
  write.map(({ form, without }) => ({ name, form, clips: !without.includes('start'), types })),
);

describe.each(forms)('$name as $form', ({ name, form, clips, types }) => {
  it.each([false, true])('gives JSON lines back as they were (blind: %s)', async (blind) => {
    const known = types.length > 0 ? types : ['any'];
    const options = name === 'star' ? 4 : 5;
    const samples = Array.from({ length: 30 }, (_, i) =>
      sample(i, name, known[i % known.length]!, options, clips, blind),
    );
    const jsonl = await write('in.jsonl', samples);
    const there = at(`there.${form}`);
    const request = { from: 'jsonl', files: [jsonl], to: name, form, out: there, allowLoss: false };
    expect(await convertAnnotations(request)).toMatchObject({ samples: 30, lost: {}, leftOut: [] });
    expect((await readAnnotations({ dataset: name, file: there })).samples).toEqual(samples);
    const back = at('back.jsonl');
    await convertAnnotations({ from: name, files: [there], to: 'jsonl', out: back, allowLoss: false });
    expect((await readAnnotations({ dataset: 'jsonl', file: back })).samples).toEqual(samples);
  });
});

it('JSON lines of every task are written as they were read', async () => {
  const lines = [
    { id: 'o', task: 'open', question: 'What?', answers: ['a ball', 'ball'] },
    { id: 'c', task: 'caption', captions: ['a man walks'], question: 'Tell.' },
    { id: 'g', task: 'ground', question: 'When?', spans: [[1, 2.5]], duration: 9 },
    { id: 'q', task: 'grounded-choice', question: 'Who?', options: ['x', 'y'], answer: 1, spans: [[0, 1]] },
    { id: 'p', question: 'Who?', options: ['x', 'y'], answer: 0 },
  ].map((line) => ({ dataset: 'jsonl', video: 'v', type: 'all', ...line }));
  const file = at('tasks.jsonl');
  await writeFile(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const out = at('tasks-back.jsonl');
  await convertAnnotations({ from: 'jsonl', files: [file], to: 'jsonl', out, allowLoss: false });
  const written = (await readFile(out, 'utf8')).trim().split('\n');
  expect(written.map((line) => JSON.parse(line))).toEqual(lines);
});

describe('what a form cannot hold', () => {
  const sound = sample(1, 'nextqa', 'CW', 5, false, false);
  const bad: [string, Partial<Sample>, string][] = [
    ['3 options', { options: ['a', 'b', 'c'] }, 'with 3 options, where this form has 5'],
    ['another type', { type: 'why' }, 'of type "why", which is none of CW,'],
    ['another id', { id: 'q1' }, 'with an id that is not <video>_<number>'],
    ['half of a surrogate pair', { question: 'x\ud800' }, 'with a character that csv does not hold'],
  ];
  it.each(bad)('is a sample %s: counted, and nothing written', async (_, change, reason) => {
    const jsonl = await write('bad.jsonl', [sound, { ...sound, id: 'v1_9', ...change }]);
    const out = at('bad.csv');
    await rm(out, { force: true });
    const request = { from: 'jsonl', files: [jsonl], to: 'nextqa', out, allowLoss: false };
    await expect(convertAnnotations(request)).rejects.toThrow(`cannot hold 1 sample ${reason}`);
    expect(existsSync(out)).toBe(false);
    const result = await convertAnnotations({ ...request, allowLoss: true });
    expect(describeLoss(result)).toContain(`(first ${jsonl}:2: `);
    expect((await readAnnotations({ dataset: 'nextqa', file: out })).samples).toEqual([sound]);
  });

  it('is a part of a sample: named with the number of samples', async () => {
    const more = { start: 1, reasoning: 'r', reasoningCorrect: true, dataset: 'mine' };
    const jsonl = await write('parts.jsonl', [sound, { ...sound, id: 'v1_9', ...more }]);
    const request = { from: 'jsonl', files: [jsonl], to: 'nextqa', out: at('parts.csv') };
    await expect(convertAnnotations({ ...request, allowLoss: false })).rejects.toThrow(
      'cannot hold start of 1 sample, reasoning of 1 sample, reasoningCorrect of 1 sample, dataset of 1 sample',
    );
    const { lost } = await convertAnnotations({ ...request, allowLoss: true });
    expect(lost).toEqual({ start: 1, reasoning: 1, reasoningCorrect: 1, dataset: 1 });
  });

  it('is a right option that another option equals, where the answer is a text', async () => {
    const twins = {
      ...sample(1, 'star', 'Sequence', 4, true, false),
      options: ['a', 'b', 'c', 'b'],
      answer: 1,
    };
    const jsonl = await write('twins.jsonl', [twins]);
    const request = { from: 'jsonl', files: [jsonl], to: 'star', out: at('twins.json'), allowLoss: false };
    await expect(convertAnnotations(request)).rejects.toThrow('two options of the text of the right one');
    await convertAnnotations({ ...request, form: 'sevila' });
    expect((await readAnnotations({ dataset: 'star', file: request.out })).samples).toEqual([twins]);
  });

  it('is all of the samples: an error even when loss is allowed', async () => {
    const jsonl = await write('none.jsonl', [{ ...sound, type: 'why' }]);
    const request = { from: 'jsonl', files: [jsonl], to: 'nextqa', out: at('none.csv'), allowLoss: true };
    await expect(convertAnnotations(request)).rejects.toThrow('can hold none of the samples');
  });
});

describe('files', () => {
  const HEADER = 'video,question,answer,qid,type,a0,a1,a2,a3,a4,note,size';
  const row = (qid: number, answer = '1') => `v,why,${answer},${qid},CW,a,b,c,d,e,n,1`;

  it('of several become one; their unread columns are named', async () => {
    await writeFile(at('a.csv'), [HEADER, row(1), row(2)].join('\n'));
    await writeFile(at('b.csv'), [HEADER, row(3)].join('\n'));
    const out = at('ab.jsonl');
    const files = [at('a.csv'), at('b.csv')];
    const result = await convertAnnotations({ from: 'nextqa', files, to: 'jsonl', out, allowLoss: false });
    expect(result).toMatchObject({ samples: 3, unread: { note: 3, size: 3 } });
    expect((await readFile(out, 'utf8')).trim().split('\n')).toHaveLength(3);
  });

  it.each([
    ['an id twice', row(2), 'an earlier file has this id too'],
    ['no answers', row(4, ''), 'has no answer, but samples of earlier files have one'],
    ['a bad row', row(4, '9'), 'answer: expected an integer from 0 to 4'],
  ])('with %s are refused, and what was there stays', async (_, line, message) => {
    await writeFile(at('b.csv'), [HEADER, line].join('\n'));
    await writeFile(at('kept.jsonl'), 'kept');
    const request = { from: 'nextqa', files: [at('a.csv'), at('b.csv')], to: 'jsonl', out: at('kept.jsonl') };
    await expect(convertAnnotations({ ...request, allowLoss: true })).rejects.toThrow(`b.csv:2: `);
    await expect(convertAnnotations({ ...request, allowLoss: true })).rejects.toThrow(message);
    expect(await readFile(at('kept.jsonl'), 'utf8')).toBe('kept');
  });

  it('cannot be written in a form that the dataset does not have', async () => {
    const request = { from: 'nextqa', files: [at('a.csv')], to: 'star', out: at('x'), allowLoss: true };
    await expect(convertAnnotations({ ...request, form: 'csv' })).rejects.toThrow(
      '--form csv: expected json or sevila for star',
    );
  });
});
