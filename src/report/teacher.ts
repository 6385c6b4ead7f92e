/**
 * What the teacher wrote about questions: its own text with what refinement removed. A recipe names the refined file alone;
 * the teacher's own texts are looked for beside it.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readHead } from '../base/files.js';
import { type GeneratedText, readGenerated } from '../reasoning/generated.js';
import { readJsonLines } from '../reasoning/jsonl.js';
import type { RefinedPart } from '../reasoning/refine.js';
import { type RefineFileOptions, refineRow } from '../reasoning/refineFile.js';

/** One text for the page. */
export interface TeacherText {
  /** The option that the teacher named; null when it named none, undefined when only the refined text is there. */
  predicted?: number | null;
  /** Whether that is the right one. */
  correct: boolean | null;
  /** What it wrote, cut into what training saw and what was removed before. */
  parts: RefinedPart[];
  /** What the reader has to know about the text. */
  note?: string;
}

/** A refined file as it is joined onto questions. */
export interface RefinedTexts {
  file: string;
  /** By question id. */
  rows: Map<string, { reasoning: string; correct: boolean | null }>;
}

/** @throws DataError naming file:line for a line that is not JSON, or a file that cannot be read */
export async function readRefined(file: string): Promise<RefinedTexts> {
  const rows: RefinedTexts['rows'] = new Map();
  for await (const { value } of readJsonLines(file)) {
    const { id, reasoning, correct } = value;
    if (typeof id === 'string' && typeof reasoning === 'string')
      rows.set(id, { reasoning, correct: typeof correct === 'boolean' ? correct : null });
  }
  return { file, rows };
}

/** How a refined text may have come from the teacher's: the ways of `reasvqa refine`, the default first. */
const WAYS: Pick<RefineFileOptions, 'policy' | 'groundTruth'>[] = [
  {},
  { groundTruth: 'words' },
  { groundTruth: 'keep' },
  { policy: 'original' },
];

/**
 * The teacher's texts about some questions.
 *
 * @param raw the file of the teacher's own texts; looked for beside the refined one unless given
 * @returns by id, and a line for the reader where the own texts were not found
 */
export async function teacherTexts(
  refined: RefinedTexts,
  ids: ReadonlySet<string>,
  raw?: string,
): Promise<{ texts: Map<string, TeacherText>; notice: string | undefined }> {
  const found =
    raw === undefined
      ? await Promise.all((await rawFilesBeside(refined.file)).map((file) => readRaw(file, ids)))
      : [await readRaw(raw, ids)];
  const read = found.map(
    (rows) => new Map([...rows].map(([id, row]) => [id, { row, fit: fitOf(row, refined) }])),
  );
  const fitting = (file: ReadonlyMap<string, Own>) => [...file.values()].filter(({ fit }) => fit).length;
  const [best] = read.sort((a, b) => fitting(b) - fitting(a));
  const rows = best && (raw !== undefined || fitting(best) > 0) ? best : new Map<string, Own>();
  const texts = [...ids].flatMap((id): [string, TeacherText][] => {
    const text = textOf(rows.get(id), refined, id);
    return text ? [[id, text]] : [];
  });
  const notice =
    rows.size > 0
      ? undefined
      : `${refined.file}: the teacher's own texts were not found beside it, so what refinement removed cannot be shown; name their file with --raw`;
  return { texts: new Map(texts), notice };
}

/** A text of the teacher's own, and how the refined one came from it. */
interface Own {
  row: GeneratedText;
  fit: Fit | undefined;
}

interface Fit {
  way: (typeof WAYS)[number];
  parts: RefinedPart[];
}

function textOf(own: Own | undefined, refined: RefinedTexts, id: string): TeacherText | undefined {
  const row = refined.rows.get(id);
  if (!own)
    return row && { correct: row.correct, parts: [{ text: row.reasoning }], note: 'the refined text alone' };
  const { predicted, correct, reasoning } = own.row;
  if (own.fit) {
    const note = own.fit.way.policy === 'original' ? { note: 'trained on as it was written' } : {};
    return { predicted, correct, parts: own.fit.parts, ...note };
  }
  if (!row) return { predicted, correct, parts: [{ text: reasoning }], note: 'not among the refined texts' };
  return {
    ...{ predicted, correct, parts: [{ text: row.reasoning }] },
    note: 'the refined text alone: it was refined with other settings or an older version',
  };
}

/** The way of refining that gives what the refined file holds. A text of which nothing was left has no line there. */
function fitOf(row: GeneratedText, { rows }: RefinedTexts): Fit | undefined {
  const wanted = rows.get(row.id)?.reasoning.trim() ?? '';
  for (const way of WAYS) {
    const { reasoning, parts } = refineRow(row, way);
    if (reasoning.trim() === wanted) return { way, parts };
  }
  return undefined;
}

async function readRaw(file: string, ids: ReadonlySet<string>): Promise<Map<string, GeneratedText>> {
  const rows = new Map<string, GeneratedText>();
  // A file that is being written ends in part of a line.
  for await (const { value, line } of readJsonLines(file, { onTorn: () => undefined }))
    if (ids.has(String(value.id))) rows.set(String(value.id), readGenerated(value, `${file}:${line}`));
  return rows;
}

/** Files of JSON lines beside another that hold what `generate` writes, and that file itself if it does. */
async function rawFilesBeside(file: string): Promise<string[]> {
  const names = await readdir(dirname(file)).catch(() => []);
  const others = names.filter((name) => name.endsWith('.jsonl') && name !== basename(file)).sort();
  const paths = [file, ...others.map((name) => join(dirname(file), name))];
  const are = await Promise.all(paths.map(holdsTeacherTexts));
  return paths.filter((_, i) => are[i]);
}

/** Longer than any first line that `generate` writes. */
const LONGEST_LINE = 1 << 20;

async function holdsTeacherTexts(path: string): Promise<boolean> {
  try {
    const line = (await readHead(path, LONGEST_LINE)).toString().split('\n', 1)[0]!;
    const value = JSON.parse(line);
    return typeof value?.reasoning === 'string' && Array.isArray(value.options) && 'predicted' in value;
  } catch {
    return false;
  }
}
