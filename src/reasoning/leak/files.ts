/** The leak check over files: generated reasoning, refined by policies or read from refined files. */
import { basename } from 'node:path';
import { DataError, UsageError } from '../../base/errors.js';
import { Rng } from '../../base/random.js';
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

/**
 * Most rows measured, drawn from all evenly (Vitter's algorithm R, 1985): their intervals are 1 point at most, and the trained
 * reader holds the features of all of them.
 */
export const MOST_ROWS = 10_000;

/** Rows that a policy gets at once. */
const GROUPS = 256;

/**
 * Measures the texts as they were generated (`before`), and after each policy and in each refined file.
 *
 * @param most rows measured; of more, so many are drawn
 * @throws DataError naming file:line for a malformed row, an id that appears twice and a refined id that was not
 *   generated; UsageError for an unknown policy
 */
export async function leakOfFiles(request: LeakRequest, most = MOST_ROWS): Promise<Leak> {
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
  const { rows, known, notes } = await readRows(generated, onTorn, { most, seed });
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
  const measured = new Set(rows.map(({ id }) => id));
  for (const file of refined) {
    const all = { known, measured, generated };
    texts.push({ name: basename(file), texts: await readTexts(file, all, onTorn) });
  }
  const leak = leakOf(rows, texts, seed);
  return { ...leak, notes: [...torn, ...notes, ...leak.notes] };
}

/** The rows to measure, the ids of all, and what there is to say about both. */
async function readRows(
  file: string,
  onTorn: Torn,
  { most, seed = '0' }: { most: number; seed?: string | undefined },
): Promise<{ rows: LeakRow[]; known: ReadonlySet<string>; notes: string[] }> {
  const drawn: { line: number; row: LeakRow }[] = [];
  const rng = new Rng(`leak/rows/${seed}`);
  const seen = new Map<string, number>();
  const allVideos = new Set<string>();
  let named = 0;
  for await (const { value, line } of wholeLines(file, onTorn)) {
    const row = readTextRow(value, `${file}:${line}`);
    const first = seen.get(row.id);
    if (first !== undefined)
      throw new DataError(`${file}:${line}: id "${row.id}" appears twice, first in line ${first}`);
    seen.set(row.id, line);
    const given = typeof value.video === 'string' && value.video !== '';
    if (given) named++;
    const video = given ? (value.video as string) : videoOf(row.id);
    allVideos.add(video);
    const place = drawn.length < most ? drawn.length : rng.int(seen.size);
    if (place < most) drawn[place] = { line, row: { ...row, video, kind: kindOf(row, value) } };
  }
  const all = seen.size;
  if (all === 0)
    throw new DataError(`${file}:1: expected at least one line of generated reasoning, found none`);
  const rows = drawn.sort((a, b) => a.line - b.line).map(({ row }) => row);
  const known = new Set(seen.keys());
  const notes = all > most ? [`measured on ${most} rows, drawn from ${all}`] : [];
  if (named === all) return { rows, known, notes: [...notes, 'held out by video'] };
  if (allVideos.size >= Math.max(FEWEST_VIDEOS, all / 50)) {
    notes.push('held out by video, which is the part of an id before its last _');
    return { rows, known, notes };
  }
  notes.push('held out by question: the rows name no video, and their ids begin with none');
  return { rows: rows.map((row) => ({ ...row, video: row.id })), known, notes };
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

/** What ids a refined file may have, and of which the texts are kept. */
interface Ids {
  known: ReadonlySet<string>;
  measured: ReadonlySet<string>;
  /** Where the ids are from. */
  generated: string;
}

async function readTexts(
  file: string,
  { known, measured, generated }: Ids,
  onTorn: Torn,
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  const seen = new Set<string>();
  for await (const { value, line } of wholeLines(file, onTorn)) {
    const { id, reasoning } = value;
    const wrong = (field: string, expected: string): never => {
      throw new DataError(
        `${file}:${line}: field "${field}": expected ${expected}, found ${shown(value[field])}`,
      );
    };
    if (typeof id !== 'string') return wrong('id', 'text');
    if (!known.has(id)) wrong('id', `an id of ${generated}`);
    if (seen.has(id)) wrong('id', 'an id used once');
    seen.add(id);
    if (typeof reasoning !== 'string') return wrong('reasoning', 'text');
    if (measured.has(id)) texts.set(id, reasoning);
  }
  if (seen.size === 0) throw new DataError(`${file}:1: expected at least one line of reasoning, found none`);
  return texts;
}
