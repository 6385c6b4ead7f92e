/** Users' own data: JSON lines, each a sample as it is. */
import { readJsonLines } from '../jsonLines.js';
import { ProblemLog, shown } from '../problems.js';
import { isInside } from '../readers/spans.js';
import {
  DESCRIBE,
  MAX_OPTIONS,
  type Sample,
  type Span,
  TASKS,
  type Task,
  TRUTH_KEYS,
  taskOf,
} from '../sample.js';
import { isGiven, type TextSource } from '../textFile.js';
import { TextIndex } from '../textIndex.js';
import type { DatasetRecord, Row } from './dataset.js';

/** Keys of a line: not those that the program gives a sample. */
type Key = Exclude<keyof Sample, 'call' | 'look'>;

/** What each key must hold. `id` and `video` are required; which others are, follows from the task. */
const CHECKS: Record<Key, { expected: string; ok: (value: unknown) => boolean; required?: true }> = {
  id: { expected: 'a text', ok: isText, required: true },
  dataset: { expected: 'a text', ok: isText },
  video: { expected: 'a text', ok: isText, required: true },
  start: { expected: 'a time in seconds, 0 or later', ok: isSeconds },
  end: { expected: 'a time in seconds, 0 or later', ok: isSeconds },
  task: { expected: `one of ${TASKS.join(', ')}`, ok: (value) => TASKS.includes(value as Task) },
  question: { expected: 'a text', ok: isText },
  options: { expected: `2 to ${MAX_OPTIONS} texts, none empty`, ok: isOptions },
  answer: { expected: 'an integer from 0', ok: (value) => Number.isInteger(value) && (value as number) >= 0 },
  answers: { expected: 'texts, none empty', ok: isTexts },
  captions: { expected: 'texts, none empty', ok: isTexts },
  spans: { expected: '[start, end] pairs in seconds, 0 <= start < end', ok: isSpans },
  duration: { expected: 'seconds, more than 0', ok: (value) => isSeconds(value) && value !== 0 },
  type: { expected: 'a text', ok: isText },
  reasoning: { expected: 'a text', ok: (value) => typeof value === 'string' },
  reasoningCorrect: { expected: 'true or false', ok: (value) => typeof value === 'boolean' },
};

/** What a task's samples state beside id and video. */
const REQUIRED: Record<Task, readonly Key[]> = {
  choice: ['question', 'options'],
  open: ['question'],
  caption: [],
  ground: ['question'],
  'grounded-choice': ['question', 'options'],
};

const truthOf = (task: Task): readonly Key[] => TRUTH_KEYS[task];
const TRUTHS = [...new Set(TASKS.flatMap((task) => TRUTH_KEYS[task]))];
/** Keys that only some tasks have. */
const TASK_ONLY = ['options', ...TRUTHS] as const;
const NAMED: Partial<Record<keyof Sample, string>> = {
  answer: 'an answer',
  answers: 'answers',
  captions: 'captions',
  spans: 'spans',
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
      text: (sample) =>
        JSON.stringify(sample.options.length > 0 ? sample : { ...sample, options: undefined }),
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
    else {
      const absent = truthOf(taskOf(sample)).find((key) => sample[key] === undefined);
      if (!blind && absent) log.add(line, absent, `${NAMED[absent]}, as other lines have`, 'nothing');
      else yield [{ line, sample }];
    }
  }
}

/** Whether no line has an answer. Reads up to the first that has one. */
async function isBlind(source: TextSource): Promise<boolean> {
  for await (const { record } of readJsonLines(
    source,
    'sample',
    new ProblemLog(source.file, undefined, false),
  ))
    if (TRUTHS.some((key) => isGiven(record[key]))) return false;
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
  const task = (record.task as Task | undefined) ?? 'choice';
  const required = REQUIRED[task];
  for (const key of required)
    if (!Object.hasOwn(record, key)) log.add(line, key, CHECKS[key].expected, shown(values[key]));
  for (const key of TASK_ONLY)
    if (Object.hasOwn(record, key) && !required.includes(key) && !truthOf(task).includes(key))
      log.add(line, key, `no ${key} where task is ${task}`, shown(values[key]));
  if (log.count > before) return undefined;
  const defaults = { dataset: 'jsonl', type: 'all', options: [] };
  const question = task === 'caption' ? { question: DESCRIBE } : {};
  const sample = { ...defaults, ...question, ...record } as unknown as Sample;
  const { start, end, answer, options, spans, duration } = sample;
  if (answer !== undefined && answer >= options.length) {
    log.add(line, 'answer', `an integer from 0 to ${options.length - 1}`, String(answer));
  }
  if (end !== undefined && end <= (start ?? 0)) {
    log.add(line, 'end', `a time after start (${start ?? 0} s)`, String(end));
  }
  const late = spans?.find((span) => !isInside(span, duration));
  if (late) log.add(line, 'spans', `spans inside the video (${duration} s)`, shown(late));
  return log.count > before ? undefined : sample;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '';
}

function isSeconds(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}

function isOptions(value: unknown): boolean {
  return isTexts(value) && value.length >= 2 && value.length <= MAX_OPTIONS;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText);
}

function isSpans(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(isSpan);
}

function isSpan(value: unknown): value is Span {
  return Array.isArray(value) && value.length === 2 && value.every(isSeconds) && value[0] < value[1];
}
