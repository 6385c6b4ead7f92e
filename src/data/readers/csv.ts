/** Questions as CSV, one a row, with options to choose from or without. */
import { datasetRecords, type Row } from '../datasets/dataset.js';
import { ProblemLog, shown } from '../problems.js';
import type { Sample } from '../sample.js';
import type { TextSource } from '../textFile.js';
import { TextIndex } from '../textIndex.js';
import { type CsvRow, csvRows, OTHER_SEPARATORS, SAVE_WITH_LF } from './csvRows.js';
import { misspelt } from './misspelt.js';

/** What differs between the datasets that are published as one question a row. */
export interface CsvLayout {
  dataset: string;
  /** Column that names the video. */
  videoColumn: string;
  /** Known question types. */
  types: readonly string[];
  /** Number of answer options, in columns a0, a1, ...; 0 where the answer is free text. */
  optionCount: number;
  /** Whether the answer column has the text of the right option in place of its number. */
  answerIsText?: true;
}

/**
 * Reads questions row by row: quote-aware, LF or CRLF, columns found by name, extra columns ignored. The
 * sample id is `<video>_<qid>`, as in the official prediction files.
 *
 * Without an answer column, or with every answer empty, the split is blind and `answer` stays undefined.
 */
export async function* csvSamples(
  source: TextSource,
  layout: CsvLayout,
  log: ProblemLog,
): AsyncGenerator<Row[]> {
  const blind = await isBlind(source);
  const lineOfId = new TextIndex();
  let table: Table | undefined;
  let unread: string[] = [];
  let rows = 0;
  for await (const group of csvRows(source, log)) {
    const found: Row[] = [];
    for (const row of group) {
      if (!table) {
        const columns = findColumns(row, layout, log);
        if (!columns) return;
        table = { header: row, columns, layout, blind, typeNames: layout.types.join(', ') };
        unread = row.fields.map((name) => name.trim()).filter((name) => !columns.has(name));
        continue;
      }
      rows++;
      const sample = readRow(row, table, log);
      const earlier = sample && lineOfId.add(sample.id, row.line);
      if (earlier !== undefined) {
        const got = `${shown(sample!.id)} again (first on line ${earlier})`;
        log.add(row.line, 'qid', 'a video and qid used once', got);
      } else if (sample) found.push({ line: row.line, sample, unread });
    }
    yield found;
  }
  if (log.count > 0) return;
  if (!table) log.add(1, 'header', 'a line of column names', 'an empty file');
  else if (rows === 0) log.add(table.header.line, 'rows', 'at least one question', 'only the header');
}

/** Whether no row has an answer. Reads up to the first that has one. */
async function isBlind(source: TextSource): Promise<boolean> {
  let column: number | undefined;
  for await (const group of csvRows(source, new ProblemLog(source.file, undefined, false)))
    for (const { fields } of group) {
      if (column === undefined) column = fields.findIndex((name) => name.trim() === 'answer');
      else if (fields[column]?.trim()) return false;
      if (column < 0) return true;
    }
  return true;
}

/** What the rows of a file have in common. */
interface Table {
  header: CsvRow;
  columns: ReadonlyMap<string, number>;
  layout: CsvLayout;
  blind: boolean;
  typeNames: string;
}

/** Where the columns are; undefined after a problem. A file of another kind is one problem. */
function findColumns(header: CsvRow, layout: CsvLayout, log: ProblemLog): Map<string, number> | undefined {
  const options = Array.from({ length: layout.optionCount }, (_, i) => `a${i}`);
  const needed = [layout.videoColumn, 'question', 'qid', 'type', ...options];
  const names = header.fields.map((name) => name.trim());
  const before = log.count;
  const missing = needed.filter((name) => !names.includes(name));
  const otherwise = otherLayout(header.fields, needed, missing, layout.videoColumn);
  const got = `columns ${shown(header.fields.join(','), 200)}${otherwise ? `: ${otherwise}` : ''}`;
  if (layout.optionCount === 0 && names.includes('a0'))
    log.add(header.line, 'header', `no column a0 (${layout.dataset} has no options)`, got);
  else if (missing.length === 1)
    log.add(header.line, missing[0]!, `a column of this name (${layout.dataset})`, got);
  else if (missing.length > 1 || otherwise)
    log.add(header.line, 'header', `columns ${needed.join(', ')} (${layout.dataset})`, got);
  if (log.count > before) return undefined;
  const columns = new Map<string, number>();
  for (const name of [...needed, 'answer']) {
    const at = names.indexOf(name);
    if (at >= 0) columns.set(name, at);
    if (at >= 0 && names.indexOf(name, at + 1) >= 0)
      log.add(header.line, name, 'one column of this name', 'several');
  }
  const answer = columns.has('answer') ? undefined : misspelt('answer', names, needed);
  if (answer !== undefined)
    log.add(header.line, 'answer', 'a column of this name, or none in a blind split', shown(answer));
  return log.count === before ? columns : undefined;
}

/** Why the needed columns are not found, and what to do; undefined for an unknown reason. */
function otherLayout(
  fields: readonly string[],
  needed: readonly string[],
  missing: readonly string[],
  videoColumn: string,
): string | undefined {
  if (fields.some((field) => field.includes('\r'))) return `its lines end in CR alone; ${SAVE_WITH_LF}`;
  const header = fields.join(',');
  for (const { separator, message } of OTHER_SEPARATORS) {
    const parts = header.split(separator).map((part) => part.replace(/^[\s"]+|[\s"]+$/g, ''));
    if (needed.filter((column) => parts.includes(column)).length > needed.length - missing.length)
      return message;
  }
  if (missing.includes(videoColumn))
    for (const { name, title, videoColumn: column } of datasetRecords())
      if (column !== undefined && fields.includes(column))
        return `it has ${column}, as files of ${title}; is the dataset ${name}?`;
  return missing.length > 1 ? 'is it a file of another dataset?' : undefined;
}

function readRow(
  row: CsvRow,
  { header, columns, layout, blind, typeNames }: Table,
  log: ProblemLog,
): Sample | undefined {
  const { line, fields } = row;
  const { optionCount } = layout;
  if (fields.length !== header.fields.length) {
    // The columns no longer line up, so nothing else in the row can be judged.
    const missing = header.fields.length - fields.length;
    const optionsLast = columns.get(`a${optionCount - 1}`) === header.fields.length - 1;
    if (missing > 0 && missing < optionCount && optionsLast) {
      const got = `${optionCount - missing} (the row has ${fields.length} fields, the header ${header.fields.length})`;
      log.add(line, 'options', `${optionCount} answer options`, got);
    } else {
      const mixed = fields.some((field) => field.includes('\r'))
        ? `, and a line end of CR alone; ${SAVE_WITH_LF}`
        : '';
      log.add(line, 'row', `${header.fields.length} fields`, `${fields.length}${mixed}`);
    }
    return undefined;
  }
  if (row.loneCr) {
    const at = header.fields[fields.findIndex((text) => text.includes('\r'))]!.trim();
    log.add(line, at, 'line ends of LF or CRLF', `a CR alone; ${SAVE_WITH_LF}`);
    return undefined;
  }
  const field = (name: string) => fields[columns.get(name) as number] as string;
  const filled = (name: string, what: string) => {
    const value = field(name).trim();
    if (!value) log.add(line, name, what, 'an empty field');
    return value;
  };
  const before = log.count;
  const video = filled(layout.videoColumn, 'a video id');
  const qid = filled('qid', 'a question id');
  filled('question', 'a question');
  const type = filled('type', `one of ${typeNames}`);
  if (type && !layout.types.includes(type)) {
    log.add(line, 'type', `one of ${typeNames}`, shown(type));
  }
  const options = Array.from({ length: optionCount }, (_, i) => field(`a${i}`));
  const empty = options.flatMap((option, i) => (option.trim() ? [] : [`a${i}`]));
  if (empty.length > 0) {
    const verb = empty.length > 1 ? 'are' : 'is';
    const got = `${optionCount - empty.length} (${empty.join(', ')} ${verb} empty)`;
    log.add(line, 'options', `${optionCount} answer options`, got);
  }
  const truth = blind ? {} : truthOf(field('answer'), options, layout, line, log);
  if (log.count > before) return undefined;
  const sample: Sample = {
    id: `${video}_${qid}`,
    dataset: layout.dataset,
    video,
    question: field('question'),
    options,
    type,
    ...truth,
  };
  return optionCount === 0 ? { ...sample, task: 'open' } : sample;
}

/** The answer of a row; nothing after a problem. */
function truthOf(
  text: string,
  options: readonly string[],
  { optionCount, answerIsText }: CsvLayout,
  line: number,
  log: ProblemLog,
): Pick<Sample, 'answer' | 'answers'> {
  const value = text.trim();
  if (optionCount === 0 && value) return { answers: [value] };
  const index = answerIsText ? options.findIndex((option) => option.trim() === value) : indexOf(value);
  if (value && index >= 0 && index < optionCount) return { answer: index };
  const expected =
    optionCount === 0
      ? 'an answer'
      : answerIsText
        ? 'the text of one of the options'
        : `an integer from 0 to ${optionCount - 1}`;
  log.add(line, 'answer', expected, value ? shown(value) : 'an empty field (other rows have an answer)');
  return {};
}

const indexOf = (text: string) => (/^\d+$/.test(text) ? Number(text) : -1);
