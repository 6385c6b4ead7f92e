/** Annotation files of every dataset with one mutation each: read rightly or reported. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csv } from '../../../src/base/csv.js';
import { DataError } from '../../../src/base/errors.js';
import { Rng } from '../../../src/base/random.js';
import { datasetOf, datasetRecords, type Row } from '../../../src/data/datasets/index.js';
import { ProblemLog } from '../../../src/data/problems.js';
import { type Sample, taskOf } from '../../../src/data/sample.js';
import { sourceOf } from '../../../src/data/textFile.js';
import { BYTES } from './bytes.js';

const FILES = 300;

const lines = (items: readonly unknown[]) => items.map((item) => `${JSON.stringify(item)}\n`).join('');
const list = (items: readonly unknown[]) => `${JSON.stringify(items, null, 1)}\n`;
const five = ['roll', 'tap, or "hit"', 'str\num', 'é', 'pat'];
const choices = (video: string, answer: (i: number) => string) =>
  csv([
    [video, 'question', 'answer', 'qid', 'type', 'a0', 'a1', 'a2', 'a3', 'a4'],
    ...['CW', 'CH', 'TN', 'CW', 'TN', 'CH'].map((type, i) => [
      ...[`40${i}`, `why "${i}", then`, answer(i), `${i}`, type],
      ...five,
    ]),
  ]);
const words = list(
  [1, 2, 3, 4].map((id) => ({ answer: id < 3 ? 'dog' : 7, id, question: 'what barks?', video_id: 10 + id })),
);

/** A sound file of every dataset. */
const SOUND: Record<string, string> = {
  nextqa: choices('video', (i) => `${i % 5}`),
  shapes: choices('video', (i) => `${i % 5}`),
  intentqa: choices('video_id', (i) => `${i % 5}`),
  nextgqa: choices('video_id', (i) => five[i % 5]!),
  nextoe: csv([
    ['video', 'question', 'answer', 'qid', 'type'],
    ...['CW', 'DB', 'TN', 'DO', 'CH'].map((type, i) => [
      `40${i}`,
      `what "${i}"`,
      'a dog, or two',
      `${i}`,
      type,
    ]),
  ]),
  star: list([
    ...[1, 2].map((i) => ({
      ...{
        question_id: `Sequence_T1_${i}`,
        video_id: `V${i}`,
        question: 'what then?',
        start: 1.5,
        end: 9 + i,
      },
      ...{ choices: ['a', 'b', 'c', 'd'].map((choice) => ({ choice })), answer: 'c' },
    })),
    ...[3, 4].map((i) => ({
      ...{
        qid: `Interaction_T1_${i}`,
        video: `V${i}`,
        question: 'which?',
        start: 0,
        end: 4.25,
        num_option: 4,
      },
      ...{ a0: 'a', a1: 'b', a2: 'c', a3: 'd', answer: i - 3 },
    })),
  ]),
  charades:
    'V1 0.5 4.0##a person sits.\nV5 3 9.25##a dog, runs.\nV2 0.0 30.9##two "cats" meet.\nV3 1 2##he eats.\nV4 3.5 8##one, two.\n',
  activitynet: JSON.stringify(
    Object.fromEntries(
      [1, 2, 3].map((i) => [
        `v_${i}`,
        {
          duration: 20.5,
          timestamps: [
            [0, 4.5],
            [3, 20],
          ],
          sentences: ['A man stands.', ' He runs.'],
        },
      ]),
    ),
    null,
    1,
  ),
  qvhighlights: lines(
    [1, 2, 3, 4, 5].map((qid) => ({
      ...{ qid, query: 'a cat sleeps', duration: 150, vid: `w_${qid}_60.0_210.0` },
      ...{
        relevant_windows: [
          [0, 10],
          [82, 150],
        ],
        saliency_scores: [[1, 2, 3]],
      },
    })),
  ),
  msvdqa: words,
  msrvttqa: words,
  jsonl: lines([
    {
      id: 'a',
      video: 'a.mp4',
      question: 'why?',
      options: ['x', 'y', 'z'],
      answer: 2,
      start: 1,
      end: 2.5,
      type: 'T',
    },
    { id: 'b', video: 'b.mp4', task: 'open', question: 'what?', answers: ['x', 'y'], reasoning: 'It is.' },
    {
      id: 'c',
      video: 'c.mp4',
      task: 'ground',
      question: 'when?',
      spans: [
        [0, 1.5],
        [2, 3],
      ],
      duration: 9,
    },
    { id: 'd', video: 'd.mp4', task: 'caption', captions: ['A dog.'] },
    {
      id: 'e',
      video: 'e.mp4',
      task: 'grounded-choice',
      question: 'q',
      options: ['x', 'y'],
      answer: 0,
      spans: [[1, 2]],
    },
  ]),
};

const PIECES = [
  ...BYTES,
  '[',
  ']',
  ':',
  '\\',
  '-',
  '.',
  'e',
  '1e999',
  '-1e999',
  '-3',
  '0.5',
  'null',
  'true',
  '[]',
  '{}',
  '\ud800',
  '##',
  '\u2028',
];

/** The text with a piece put in the place of a few characters, a word or number replaced, a line doubled, or cut off. */
function mutated(text: string, rng: Rng): string {
  const at = rng.int(text.length);
  const piece = rng.pick(PIECES);
  const kind = rng.int(8);
  if (kind === 0) return text.slice(0, at);
  if (kind === 1) {
    const all = text.split('\n');
    const line = rng.int(all.length);
    return all.toSpliced(rng.int(all.length), 0, all[line]!).join('\n');
  }
  if (kind === 2) return text.slice(0, at) + piece + text.slice(at + 1 + rng.int(12));
  if (kind < 6) {
    const tokens = [...text.matchAll(/-?\d+(?:\.\d+)?|"[^"]*"|\w+/g)];
    const token = rng.pick(tokens);
    return text.slice(0, token.index) + piece + text.slice(token.index + token[0].length);
  }
  return text.slice(0, at) + piece + text.slice(at + (kind === 6 ? 1 : 0));
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-mutated-'));
  const location = (qid: number) => ({
    [qid]: [
      [0, 4.5],
      [6, 9],
    ],
  });
  const spans = [0, 1, 2, 3, 4, 5].map((i) => [`40${i}`, { duration: 30, location: location(i) }]);
  await writeFile(join(folder, 'gsub_val.json'), JSON.stringify(Object.fromEntries(spans)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Read {
  samples: Sample[];
  /** Problems, warnings, and the error of a file that cannot be read at all. */
  told: string[];
}

async function read(dataset: string, text: string): Promise<Read> {
  const record = datasetOf(dataset);
  const told: string[] = [];
  const tell = ({ field, got }: { field: string; got: string }) => told.push(`${field}: ${got}`);
  const file = join(folder, `${dataset}_val.txt`);
  const log = new ProblemLog(file, tell, true, tell);
  const samples: Sample[] = [];
  try {
    if (record.rows)
      for await (const rows of record.rows(sourceOf(file, text), log))
        samples.push(...rows.map(({ sample }: Row) => sample));
    else samples.push(...(await record.read!(text, log)));
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    told.push(error.message);
  }
  return { samples, told };
}

/** What is wrong with a sample, whatever file it came from. */
function faultOf(sample: Sample, types: readonly string[]): string | undefined {
  const { id, video, question, options, answer, answers, spans, start, end, duration, type } = sample;
  const task = taskOf(sample);
  const isTime = (value: number | undefined) => value === undefined || (Number.isFinite(value) && value >= 0);
  if ([id, video, question, type].some((text) => typeof text !== 'string' || text.trim() === ''))
    return 'text';
  if (types.length > 0 && !types.includes(type)) return 'type';
  const chosen = task === 'choice' || task === 'grounded-choice';
  if (chosen ? options.length < 2 || options.some((option) => option.trim() === '') : options.length > 0)
    return 'options';
  if (answer !== undefined && !(Number.isInteger(answer) && options[answer] !== undefined)) return 'answer';
  if (answers?.some((text) => typeof text !== 'string' || text.trim() === '' || /infinity|nan/i.test(text)))
    return 'answers';
  if (!isTime(start) || !isTime(end) || (end !== undefined && end <= (start ?? 0))) return 'clip';
  if (!isTime(duration) || duration === 0) return 'duration';
  if (spans?.some(([from, to]) => !isTime(from) || !isTime(to) || from >= to)) return 'spans';
  return undefined;
}

const textOf = (sample: Sample) => JSON.stringify(sample);

/** A sample as the forms without one of its truths have it. */
const blindsOf = ({ answer, answers, spans, ...rest }: Sample): string[] =>
  [
    { ...rest, answers, spans },
    { ...rest, answer, spans },
    { ...rest, answer, answers },
  ].map((sample) => sorted(sample as Sample));
const sorted = (sample: Sample) =>
  JSON.stringify(
    Object.entries(sample)
      .filter(([, value]) => value !== undefined)
      .sort(),
  );

/** What is wrong with what was read of a mutated file; `whole` is what was read of the sound one. */
function faultOfFile({ samples, told }: Read, whole: Read, types: readonly string[], cut: boolean) {
  const faulty = samples.find((sample) => faultOf(sample, types));
  if (faulty) return faultOf(faulty, types);
  if (new Set(samples.map(({ id }) => id)).size < samples.length) return 'an id twice';
  if (told.length > 0) return undefined;
  const sound = new Set(whole.samples.map(textOf));
  const blind = new Set(whole.samples.flatMap(blindsOf));
  const same = samples.filter((sample) => sound.has(textOf(sample)));
  // A file whose key of the truth is gone is one of a blind split, all of it.
  const blinded = samples.filter((sample) => !same.includes(sample) && blind.has(sorted(sample)));
  if (blinded.length > 0 && same.length > 0) return 'some without truth';
  const kept = same.length + blinded.length;
  // One mutation is in one sample, or in two where it joins or parts lines.
  if (samples.length - kept > 2) return 'other samples';
  // A file cut between its lines is a shorter one.
  if (!cut && kept < whole.samples.length - 2) return 'lost samples';
  return undefined;
}

describe(`${FILES} mutated files of each dataset`, () => {
  it('is about every dataset', () => {
    expect(Object.keys(SOUND).sort()).toEqual([...datasetRecords()].map(({ name }) => name).sort());
  });

  it.each(Object.keys(SOUND))(
    'of %s give sound samples with ids of their own, or are reported',
    async (dataset) => {
      const { types } = datasetOf(dataset);
      const sound = SOUND[dataset]!;
      const whole = await read(dataset, sound);
      expect(whole.told).toEqual([]);
      expect(whole.samples.length).toBeGreaterThan(2);
      const rng = new Rng(`mutated-${dataset}`);
      for (let file = 0; file < FILES; file++) {
        const text = mutated(sound, rng);
        const found = await read(dataset, text);
        const fault = faultOfFile(found, whole, types, sound.startsWith(text));
        if (fault) expect.fail(`file ${file}: ${fault}: ${JSON.stringify({ text, ...found })}`);
      }
    },
  );
});
