/** Users' own data: JSON lines, each a sample as it is. */
import { readJsonLines } from '../jsonLines.js';
import { ProblemLog, shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { isGiven, type TextSource } from '../textFile.js';
import { TextIndex } from '../textIndex.js';
import type { DatasetRecord, Row } from './dataset.js';

const MAX_OPTIONS = 26;

/** What each key must hold. `id`, `video`, `question` and `options` are required. */
const CHECKS: Record<keyof Sample, { expected: string; ok: (value: unknown) => boolean; required?: true }> = {
  id: { expected: 'a text', ok: isText, required: true },
  dataset: { expected: 'a text', ok: isText },
  video: { expected: 'a text', ok: isText, required: true },
  start: { expected: 'a time in seconds, 0 or later', ok: isSeconds },
  end: { expected: 'a time in seconds, 0 or later', ok: isSeconds },
  question: { expected: 'a text', ok: isText, required: true },
  options: { expected: `2 to ${MAX_OPTIONS} texts, none empty`, ok: isOptions, required: true },
  answer: { expected: 'an integer from 0', ok: (value) => Number.isInteger(value) && (value as number) >= 0 },
  type: { expected: 'a text', ok: isText },
  reasoning: { expected: 'a text', ok: (value) => typeof value === 'string' },
  reasoningCorrect: { expected: 'true or false', ok: (value) => typeof value === 'boolean' },
};

export const jsonl: DatasetRecord = {
  name: 'jsonl',
  title: 'your own samples',
  splits: { train: 'train.jsonl', val: 'val.jsonl', test: 'test.jsonl' },
  rows: jsonlRows,
  write: [
    {
      form: 'jsonl',
      before: '',
      between: '\n',
      after: '\n',
      keepsDataset: true,
      without: [],
      text: (sample) => JSON.stringify(sample),
    },
  ],
  types: [],
  groups: {},
  addPunctuation: false,
  videoMap: false,
  ownReasoning: true,
};

/**
 * Reads one {@link Sample} a line. `dataset` defaults to `jsonl`, `type` to `all`. Blank lines are
 * skipped, and a key that is null counts as not given. Unknown keys are problems, since a misspelt optional key would
 * otherwise be lost silently.
 */
async function* jsonlRows(source: TextSource, log: ProblemLog): AsyncGenerator<Row[]> {
  const blind = await isBlind(source);
  const lineOfId = new TextIndex();
  for await (const { line, record } of readJsonLines(source, 'sample', log)) {
    const sample = readRecord(record, line, log);
    if (!sample) continue;
    const earlier = lineOfId.add(sample.id, line);
    if (earlier !== undefined)
      log.add(line, 'id', 'an id used once', `${shown(sample.id)} again (first on line ${earlier})`);
    else if (!blind && sample.answer === undefined)
      log.add(line, 'answer', 'an answer, as other lines have', 'nothing');
    else yield [{ line, sample }];
  }
}

/** Whether no line has an answer. Reads up to the first that has one. */
async function isBlind(source: TextSource): Promise<boolean> {
  for await (const { record } of readJsonLines(
    source,
    'sample',
    new ProblemLog(source.file, undefined, false),
  ))
    if (isGiven(record.answer)) return false;
  return true;
}

function readRecord(values: Record<string, unknown>, line: number, log: ProblemLog): Sample | undefined {
  const record = Object.fromEntries(Object.entries(values).filter(([, value]) => isGiven(value)));
  const before = log.count;
  for (const key of Object.keys(record)) {
    if (!Object.hasOwn(CHECKS, key))
      log.add(line, key, `one of ${Object.keys(CHECKS).join(', ')}`, 'an unknown key');
  }
  for (const [key, check] of Object.entries(CHECKS)) {
    if (Object.hasOwn(record, key) ? !check.ok(record[key]) : check.required)
      log.add(line, key, check.expected, shown(values[key]));
  }
  if (log.count > before) return undefined;
  const sample = { dataset: 'jsonl', type: 'all', ...record } as Sample;
  const { start, end, answer, options } = sample;
  if (answer !== undefined && answer >= options.length) {
    log.add(line, 'answer', `an integer from 0 to ${options.length - 1}`, String(answer));
  }
  if (end !== undefined && end <= (start ?? 0)) {
    log.add(line, 'end', `a time after start (${start ?? 0} s)`, String(end));
  }
  return log.count > before ? undefined : sample;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function isSeconds(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isOptions(value: unknown): boolean {
  return Array.isArray(value) && value.length >= 2 && value.length <= MAX_OPTIONS && value.every(isText);
}
