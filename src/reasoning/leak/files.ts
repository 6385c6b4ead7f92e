/** The leak check over files: generated reasoning, refined by policies or read from refined files. */
import { basename } from 'node:path';
import { DataError, UsageError } from '../../base/errors.js';
import { shown } from '../../data/problems.js';
import { readTextRow } from '../generated.js';
import { wholeLines } from '../jsonl.js';
import { openPolicy } from '../policies/index.js';
import type { PolicySettings } from '../policies/policy.js';
import { FEWEST_VIDEOS, type Leak, type LeakRow, type LeakTexts, leakOf } from './leak.js';

export interface LeakRequest {
  /** What `generate` wrote, or rows from anywhere: the texts before refinement. */
  generated: string;
  /** Files of refined reasoning about the same ids, measured beside the policies. */
  refined?: readonly string[];
  /** Policies to refine the texts by. */
  policies: readonly string[];
  settings?: PolicySettings;
  /** Of the folds and the training. */
  seed?: string;
}

type Torn = (notice: string) => void;

/** Rows that a policy gets at once. */
const GROUPS = 256;

/**
 * Measures the texts as they were generated (`before`), and after each policy and in each refined file.
 *
 * @throws DataError naming file:line for a malformed row, an id that appears twice and a refined id that was not
 *   generated; UsageError for an unknown policy
 */
export async function leakOfFiles(request: LeakRequest): Promise<Leak> {
  const { generated, refined = [], policies, settings = {}, seed } = request;
  const opened = [];
  for (const name of policies) {
    const policy = await openPolicy(name, settings);
    if (policy.byId)
      throw new UsageError(
        `--policy ${name}: takes several samples of an id; write its file with reasvqa refine and name that file`,
      );
    opened.push({ name, policy });
  }
  const torn: string[] = [];
  const onTorn = (notice: string) => void torn.push(notice);
  const { rows, note } = await readRows(generated, onTorn);
  const texts: LeakTexts[] = [
    { name: 'before', texts: new Map(rows.map(({ id, reasoning }) => [id, reasoning])) },
  ];
  for (const { name, policy } of opened) {
    const own = new Map<string, string>();
    for (let i = 0; i < rows.length; i += GROUPS) {
      const found = await policy.refine(rows.slice(i, i + GROUPS).map((row) => [row]));
      for (const { row, reasoning } of found) own.set(row.id, reasoning);
    }
    texts.push({ name, texts: own });
  }
  const known = new Set(rows.map(({ id }) => id));
  for (const file of refined)
    texts.push({ name: basename(file), texts: await readTexts(file, known, generated, onTorn) });
  const leak = leakOf(rows, texts, seed);
  return { ...leak, notes: [...torn, note, ...leak.notes] };
}

async function readRows(file: string, onTorn: Torn): Promise<{ rows: LeakRow[]; note: string }> {
  const rows: LeakRow[] = [];
  const seen = new Map<string, number>();
  let named = 0;
  for await (const { value, line } of wholeLines(file, onTorn)) {
    const row = readTextRow(value, `${file}:${line}`);
    const first = seen.get(row.id);
    if (first !== undefined)
      throw new DataError(`${file}:${line}: id "${row.id}" appears twice, first in line ${first}`);
    seen.set(row.id, line);
    const given = typeof value.video === 'string' && value.video !== '';
    if (given) named++;
    rows.push({ ...row, video: given ? (value.video as string) : videoOf(row.id), kind: kindOf(row, value) });
  }
  if (rows.length === 0)
    throw new DataError(`${file}:1: expected at least one line of generated reasoning, found none`);
  if (named === rows.length) return { rows, note: 'held out by video' };
  const videos = new Set(rows.map(({ video }) => video)).size;
  if (videos >= Math.max(FEWEST_VIDEOS, rows.length / 50))
    return { rows, note: 'held out by video, which is the part of an id before its last _' };
  return {
    rows: rows.map((row) => ({ ...row, video: row.id })),
    note: 'held out by question: the rows name no video, and their ids begin with none',
  };
}

/** The type that a row names, or its question's first word: "what", "why". */
function kindOf({ question }: LeakRow | { question: string }, value: Record<string, unknown>): string {
  const named = [value.type, value.question_type, value.category].find(
    (type) => typeof type === 'string' && type !== '',
  );
  return (named as string | undefined) ?? question.trim().toLowerCase().split(/\W+/, 1)[0] ?? '';
}

/** NExT-QA's ids and ours are a video's and the question's number in it. */
function videoOf(id: string): string {
  const cut = id.lastIndexOf('_');
  return cut > 0 ? id.slice(0, cut) : id;
}

async function readTexts(
  file: string,
  known: ReadonlySet<string>,
  generated: string,
  onTorn: Torn,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const { value, line } of wholeLines(file, onTorn)) {
    const { id, reasoning } = value;
    const wrong = (field: string, expected: string): never => {
      throw new DataError(
        `${file}:${line}: field "${field}": expected ${expected}, found ${shown(value[field])}`,
      );
    };
    if (typeof id !== 'string') return wrong('id', 'text');
    if (!known.has(id)) wrong('id', `an id of ${generated}`);
    if (texts.has(id)) wrong('id', 'an id used once');
    if (typeof reasoning !== 'string') return wrong('reasoning', 'text');
    texts.set(id, reasoning);
  }
  if (texts.size === 0) throw new DataError(`${file}:1: expected at least one line of reasoning, found none`);
  return texts;
}
