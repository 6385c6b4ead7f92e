/** Mixing data sets: what is written, how often, and what is refused by file and line. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MixPart, mixAnnotations } from '../../src/batches/mix.js';
import { partOf } from '../../src/commands/dataMix.js';
import { readAnnotations } from '../../src/data/annotations.js';

let folder: string;
const at = (name: string) => join(folder, name);
const lines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const open = (id: string, more: object = {}) => ({
  ...{ id, video: `${id}.mp4`, task: 'open', question: 'what', answers: ['this'] },
  ...more,
});
const CSV = `video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4
101,10,1,1,why did it stop,1,0,CW,a,b,c,d,e
102,10,1,1,why did it go,2,0,CW,a,b,c,d,e
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mix '));
  await writeFile(at('val.csv'), CSV);
  await writeFile(
    at('own.jsonl'),
    lines([open('a'), open('b'), { ...open('101_0'), task: 'ground', answers: undefined, spans: [[1, 2]] }]),
  );
  await writeFile(at('reasoning.jsonl'), lines([{ id: '101_0', reasoning: 'It was tired.', correct: true }]));
  await writeFile(at('map.json'), JSON.stringify({ 101: '1/101' }));
});
afterAll(() => rm(folder, { recursive: true }));

const nextqa = (more: Partial<MixPart> = {}): MixPart => ({
  ...{ name: 'nextqa', dataset: 'nextqa', file: at('val.csv'), weight: 1 },
  ...more,
});
const own = (more: Partial<MixPart> = {}): MixPart => ({
  ...{ name: 'own', dataset: 'jsonl', file: at('own.jsonl'), weight: 1 },
  ...more,
});

async function mixed(parts: MixPart[], seed = '0') {
  const mix = await mixAnnotations({ parts, out: at('mix.jsonl'), seed });
  return { mix, ...(await readAnnotations({ dataset: 'jsonl', file: at('mix.jsonl') })) };
}

describe('a mix', () => {
  it('holds the samples of all parts under ids of their own, with what each part adds', async () => {
    const parts = [
      nextqa({ reasoning: at('reasoning.jsonl'), map: at('map.json'), videos: 'nextqa/videos/' }),
      own(),
    ];
    const { mix, samples } = await mixed(parts);
    expect(mix).toEqual({
      ...{ samples: 5, parts: { nextqa: { choice: 2 }, own: { open: 2, ground: 1 } } },
      notices: [],
    });
    expect(
      samples.map(({ id, dataset, video, question, reasoning }) => [id, dataset, video, question, reasoning]),
    ).toEqual([
      ['nextqa/101_0', 'nextqa', 'nextqa/videos/1/101', 'why did it stop?', 'It was tired.'],
      ['nextqa/102_0', 'nextqa', 'nextqa/videos/102', 'why did it go?', undefined],
      ['own/a', 'jsonl', 'a.mp4', 'what', undefined],
      ['own/b', 'jsonl', 'b.mp4', 'what', undefined],
      ['own/101_0', 'jsonl', '101_0.mp4', 'what', undefined],
    ]);
    expect(samples[0]!.options[0]).toBe('a.');
  });

  it.each([
    [1, 10, 10],
    [0.5, 5, 5],
    [2.3, 23, 10],
    [0.01, 0, 0],
  ])('writes each sample %f times', async (weight, count, different) => {
    await writeFile(at('ten.jsonl'), lines(Array.from({ length: 10 }, (_, i) => open(`s${i}`))));
    const part = own({ name: 'ten', file: at('ten.jsonl'), weight });
    const { samples } = await mixed([part, nextqa()]);
    const ids = samples.map(({ id }) => id).filter((id) => id.startsWith('ten/'));
    expect(ids).toHaveLength(count);
    expect(new Set(ids.map((id) => id.replace(/~\d$/, ''))).size).toBe(different);
  });

  it('tells spans that the reader of a data set cuts or leaves out', async () => {
    await writeFile(at('sta.txt'), 'AB1 2.0 6.0##one sits.\nAB1 6.0 2.0##one stands.\n');
    const part = own({ name: 'sta', dataset: 'charades', file: at('sta.txt') });
    const { mix } = await mixed([part, own()]);
    expect(mix.parts.sta).toEqual({ ground: 1 });
    expect(mix.notices).toEqual([`1 spans of ${at('sta.txt')} are cut or left out, as loaders do`]);
  });

  it('is the same for one seed and another for another', async () => {
    await writeFile(at('many.jsonl'), lines(Array.from({ length: 40 }, (_, i) => open(`s${i}`))));
    const part = own({ file: at('many.jsonl'), weight: 0.5 });
    const textOf = async (seed: string) => {
      await mixed([part], seed);
      return readFile(at('mix.jsonl'), 'utf8');
    };
    const first = await textOf('1');
    expect(await textOf('1')).toBe(first);
    expect(await textOf('2')).not.toBe(first);
  });
});

describe('what cannot be mixed', () => {
  it.each<[string, object[], string]>([
    [
      'an id twice',
      [open('a'), open('a')],
      ':2: id: expected an id used once, got "a" again (first on line 1)',
    ],
    ['an unknown task', [open('a'), open('b', { task: 'find' })], ':2: task: expected one of choice, open'],
    ['a bad span', [{ ...open('a'), task: 'ground', answers: undefined, spans: [[3, 2]] }], ':1: spans: '],
    ['a blind file', [open('a', { answers: undefined })], ':1: a: has no answer, but part nextqa has them'],
  ])('%s is named by file and line', async (_, rows, message) => {
    await writeFile(at('bad.jsonl'), lines(rows));
    await rm(at('mix.jsonl'), { force: true });
    const parts = [nextqa(), own({ file: at('bad.jsonl') })];
    await expect(mixed(parts)).rejects.toThrow(`${at('bad.jsonl')}${message}`);
    await expect(readFile(at('mix.jsonl'))).rejects.toThrow('ENOENT');
  });

  it('are parts of one name, weights that draw nothing, and an output that is an input', async () => {
    await expect(mixed([own(), own()])).rejects.toThrow('own: names two parts');
    await expect(mixed([own({ weight: 0 })])).rejects.toThrow('expected a weight above 0');
    await expect(mixed([own({ weight: 0.01 })])).rejects.toThrow('the weights leave no sample');
    const into = mixAnnotations({ parts: [own()], out: at('own.jsonl'), seed: '0' });
    await expect(into).rejects.toThrow('own.jsonl');
  });
});

describe('a part on the command line', () => {
  const path = (file: string) => `/${file}`;
  it.each([
    ['nextqa:val.csv', { name: 'nextqa', dataset: 'nextqa', file: '/val.csv', weight: 1 }],
    ['mine=jsonl:a=b:c.jsonl@0.25', { name: 'mine', dataset: 'jsonl', file: '/a=b:c.jsonl', weight: 0.25 }],
    ['jsonl:me@home.jsonl', { name: 'jsonl', dataset: 'jsonl', file: '/me@home.jsonl', weight: 1 }],
  ])('%s', (text, expected) => {
    expect(partOf(text, path)).toEqual(expected);
  });

  it.each(['val.csv', 'nextqa:', ':val.csv', '=nextqa:val.csv', 'a=:val.csv', 'none:val.csv'])(
    '%s is none',
    (text) => {
      expect(() => partOf(text, path)).toThrow(`${text}: expected`);
    },
  );
});
