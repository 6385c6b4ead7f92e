/** Continues a file of generated reasoning: reads finished rows, and sorts a complete file. */
import { stat } from 'node:fs/promises';
import { DataError } from '../base/errors.js';
import { writeAtomic } from '../base/files.js';
import { isRecord } from '../base/values.js';
import type { Sample } from '../data/sample.js';
import { endingOf } from './finish.js';
import { readJsonLines } from './jsonl.js';
import { promptName } from './prompt.js';
import type { ReasoningRow, ReasoningSettings } from './row.js';

/** A row without its text. */
export type FinishedRow = Pick<ReasoningRow, 'id' | 'answer' | 'correct' | 'predicted' | 'finish_reason'>;

/** The finished part of an earlier run. */
interface Finished {
  /** Rows of samples of this run. */
  rows: FinishedRow[];
  /** Bytes of whole lines; the file is truncated there. */
  size: number;
}

/** How every line begins. */
const ROW_HEAD = '{"id":"';

/** The model and settings of the run that is about to continue the file. */
interface Origin {
  model: string;
  settings: ReasoningSettings;
  /** Called for every row of the file, of other samples too. */
  onRow?: (row: ReasoningRow) => void;
}

/**
 * Reads the finished rows of `out`, which may be missing. A last line without its newline is left out of `size`,
 * with a notice: its writer was killed, and its sample is asked again. A notice also counts rows whose `finish_reason` is
 * that of a broken answer, as earlier versions wrote them; they are kept.
 *
 * @throws DataError naming `file:line` when a row was made by another model, prompt or setting, when its sample has
 *   another question or other options now, or when it is malformed.
 */
export async function readFinished(
  out: string,
  samples: readonly Sample[],
  origin: Origin,
  onNotice?: (line: string) => void,
): Promise<Finished> {
  const finished: Finished = { rows: [], size: 0 };
  const found = await stat(out).catch(() => undefined);
  if (!found) return finished;
  if (!found.isFile())
    throw new DataError(`${out}: not a file; expected one to write and continue, name another output file`);
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const seen = new Set<string>();
  const onTorn = (_: number, line: number, bytes: Buffer) => {
    // A torn last line is dropped only if this program may have written it, so a file named by mistake keeps its
    // content.
    const head = bytes.subarray(0, ROW_HEAD.length).toString('latin1');
    if (!ROW_HEAD.startsWith(head)) {
      throw new DataError(`${out}:${line}: not a line of generated reasoning; name another output file`);
    }
    onNotice?.(`${out}:${line}: the last line was cut off by a kill; dropped, its sample is asked again`);
  };
  const broken: string[] = [];
  for await (const { value, line, end } of readJsonLines(out, { onTorn })) {
    const where = `${out}:${line}`;
    const row = checkedRow(value, where, origin);
    finished.size = end;
    origin.onRow?.(row);
    const sample = byId.get(row.id);
    if (sample && !seen.has(row.id)) {
      checkSample(row, sample, where);
      const { id, answer, correct, predicted, finish_reason } = row;
      finished.rows.push({ id, answer, correct, predicted, finish_reason });
      if (!isWhole(row)) broken.push(`${where} with finish_reason ${JSON.stringify(row.finish_reason)}`);
    }
    seen.add(row.id);
  }
  if (broken.length > 0) {
    onNotice?.(
      `${out}: ${broken.length} of ${finished.rows.length} answers were not finished (first: ${broken[0]}) and are kept; ` +
        'remove their lines to ask again',
    );
  }
  return finished;
}

function isWhole({ finish_reason }: ReasoningRow): boolean {
  return ['stop', 'length'].includes(endingOf(finish_reason));
}

function checkedRow(value: Record<string, unknown>, where: string, origin: Origin): ReasoningRow {
  const { id, reasoning, options, model, settings } = value;
  if (typeof id !== 'string' || typeof reasoning !== 'string' || !Array.isArray(options)) {
    throw new DataError(
      `${where}: not a line of generated reasoning (id, options, reasoning); name another output file`,
    );
  }
  const difference = differenceOf({ model, settings }, origin);
  if (difference)
    throw new DataError(
      `${where}: made with ${difference}; name another output file, or use the same settings to continue this one`,
    );
  return value as unknown as ReasoningRow;
}

/** The options of `reasvqa generate` behind the settings of a row. */
const OPTIONS: Readonly<Record<string, string>> = {
  model: '--model',
  prompt: '--prompt or --write',
  temperature: '--temperature',
  max_tokens: '--max-tokens',
  n: '--frames',
  max_side: '--max-side',
  image_quality: '--image-quality',
  image_detail: '--image-detail',
  system: '--system',
  seed: '--seed',
  writing: '--write',
};

/** The first setting that differs, as `key before, this run has after (option)`; undefined when none does. */
export function differenceOf(
  before: { model?: unknown; settings?: unknown },
  { model, settings }: Origin,
): string | undefined {
  const was: Record<string, unknown> = {
    model: before.model,
    ...(isRecord(before.settings) ? before.settings : {}),
  };
  const now: Record<string, unknown> = { model, ...settings };
  const key = Object.keys({ ...now, ...was }).find((each) => (was[each] ?? null) !== (now[each] ?? null));
  if (key === undefined) return undefined;
  const shown = (value: unknown) => {
    if (value === undefined || value === null) return 'none';
    return key === 'prompt' ? promptName(String(value)) : JSON.stringify(value);
  };
  const option = OPTIONS[key];
  return `${key} ${shown(was[key])}, this run has ${shown(now[key])}${option ? ` (${option})` : ''}`;
}

function checkSample(row: ReasoningRow, sample: Sample, where: string): void {
  const same =
    row.question === sample.question &&
    row.options.length === sample.options.length &&
    row.options.every((option, i) => option === sample.options[i]) &&
    row.answer === (sample.answer ?? null);
  if (!same) {
    throw new DataError(
      `${where}: sample "${row.id}" has another question, options or answer now; the annotations changed, name another output file`,
    );
  }
}

/**
 * Puts a complete file in the order of the samples, so that its bytes do not depend on which answer came first. Rows of
 * other samples follow in their own order; second rows of one sample are dropped.
 */
export async function rewriteInOrder(out: string, samples: readonly Sample[]): Promise<void> {
  const place = new Map(samples.map((sample, i) => [sample.id, i]));
  const rows: { at: number; text: string }[] = [];
  const seen = new Set<string>();
  let ordered = true;
  for await (const { value } of readJsonLines(out)) {
    const id = value.id as string;
    if (seen.has(id)) {
      ordered = false;
      continue;
    }
    seen.add(id);
    const at = place.get(id) ?? samples.length;
    if (at < (rows.at(-1)?.at ?? 0)) ordered = false;
    rows.push({ at, text: `${JSON.stringify(value)}\n` });
  }
  if (ordered) return;
  rows.sort((a, b) => a.at - b.at);
  await writeAtomic(out, async (file) => {
    for (const row of rows) await file.writeFile(row.text);
  });
}
