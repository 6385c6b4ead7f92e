/** Users' own data: JSON lines, each a sample as it is. */
import { readJsonLines } from '../jsonLines.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { isGiven } from '../textFile.js';
import type { DatasetRecord } from './dataset.js';

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
  read: readJsonl,
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
function readJsonl(text: string, log: ProblemLog): Sample[] {
  const rows: { line: number; sample: Sample }[] = [];
  const lineOfId = new Map<string, number>();
  for (const { line, record } of readJsonLines(text, 'sample', log)) {
    const before = log.problems.length;
    const sample = readRecord(record, line, log);
    if (!sample) continue;
    const earlier = lineOfId.get(sample.id);
    if (earlier === undefined) lineOfId.set(sample.id, line);
    else log.add(line, 'id', 'an id used once', `${shown(sample.id)} again (first on line ${earlier})`);
    if (log.problems.length === before) rows.push({ line, sample });
  }
  const blind = rows.every(({ sample }) => sample.answer === undefined);
  return rows
    .filter(({ line, sample }) => {
      if (blind || sample.answer !== undefined) return true;
      log.add(line, 'answer', 'an answer, as other lines have', 'nothing');
      return false;
    })
    .map(({ sample }) => sample);
}

function readRecord(values: Record<string, unknown>, line: number, log: ProblemLog): Sample | undefined {
  const record = Object.fromEntries(Object.entries(values).filter(([, value]) => isGiven(value)));
  const before = log.problems.length;
  for (const key of Object.keys(record)) {
    if (!Object.hasOwn(CHECKS, key))
      log.add(line, key, `one of ${Object.keys(CHECKS).join(', ')}`, 'an unknown key');
  }
  for (const [key, check] of Object.entries(CHECKS)) {
    if (Object.hasOwn(record, key) ? !check.ok(record[key]) : check.required)
      log.add(line, key, check.expected, shown(values[key]));
  }
  if (log.problems.length > before) return undefined;
  const sample = { dataset: 'jsonl', type: 'all', ...record } as Sample;
  const { start, end, answer, options } = sample;
  if (answer !== undefined && answer >= options.length) {
    log.add(line, 'answer', `an integer from 0 to ${options.length - 1}`, String(answer));
  }
  if (end !== undefined && end <= (start ?? 0)) {
    log.add(line, 'end', `a time after start (${start ?? 0} s)`, String(end));
  }
  return log.problems.length > before ? undefined : sample;
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
