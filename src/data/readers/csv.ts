/** Multiple-choice questions as CSV, one question a row. */
import { CsvError, parse } from 'csv-parse/sync';
import { datasetRecords } from '../datasets/dataset.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';

/** What differs between the datasets that are published as one question a row. */
export interface CsvLayout {
  dataset: string;
  /** Column that names the video. */
  videoColumn: string;
  /** Known question types. */
  types: readonly string[];
  /** Number of answer options, in columns a0, a1, ... */
  optionCount: number;
}

interface CsvRow {
  line: number;
  fields: string[];
}

/**
 * Reads multiple-choice questions from CSV text: quote-aware, LF or CRLF, columns found by name, extra columns
 * ignored. The sample id is `<video>_<qid>`, as in the official prediction files.
 *
 * Without an answer column, or with every answer empty, the split is blind and `answer` stays undefined.
 */
export function readCsvSamples(text: string, layout: CsvLayout, log: ProblemLog): Sample[] {
  const rows = parseRows(text, log);
  const [header, ...body] = rows;
  if (!header) {
    if (log.problems.length === 0) log.add(1, 'header', 'a line of column names', 'an empty file');
    return [];
  }
  const columns = findColumns(header, layout, log);
  if (!columns) return [];
  if (body.length === 0) log.add(header.line, 'rows', 'at least one question', 'only the header');

  const answerColumn = columns.get('answer');
  const blind = answerColumn === undefined || body.every((row) => !row.fields[answerColumn]?.trim());
  const lineOfId = new Map<string, number>();
  const samples: Sample[] = [];
  for (const row of body) {
    const before = log.problems.length;
    const sample = readRow(row, header, columns, layout, blind, log);
    if (!sample) continue;
    const earlier = lineOfId.get(sample.id);
    if (earlier === undefined) lineOfId.set(sample.id, row.line);
    else
      log.add(
        row.line,
        'qid',
        'a video and qid used once',
        `${shown(sample.id)} again (first on line ${earlier})`,
      );
    if (log.problems.length === before) samples.push(sample);
  }
  return samples;
}

function parseRows(text: string, log: ProblemLog): CsvRow[] {
  const bytes = Buffer.from(text);
  try {
    const parsed = parse(bytes, {
      bom: true,
      info: true,
      record_delimiter: ['\r\n', '\n'],
      relax_column_count: true,
      // A quote inside an unquoted field is text, as Python's csv module (which wrote these files) has it.
      relax_quotes: true,
      skip_empty_lines: true,
    }) as unknown as { record: string[]; info: { bytes: number } }[];
    const lineAt = lineCounter(bytes);
    return parsed.map(({ record, info }) => ({
      line: lineAt(info.bytes - 1) - lineBreaks(record),
      fields: record,
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const unclosed = error.code === 'CSV_QUOTE_NOT_CLOSED';
    // The field before the one with the quote ends here.
    const end = Number(error.bytes);
    const line = lineCounter(bytes)(unclosed ? bytes.indexOf('"', end) : end);
    log.add(line, 'quotes', 'well-formed CSV', unclosed ? 'a quote that is never closed' : error.message);
    return [];
  }
}

/**
 * The 1-based line numbers of increasing byte offsets. csv-parse counts a CRLF between quotes as two lines, and names
 * the end of the file for a quote that is never closed.
 */
function lineCounter(bytes: Buffer): (offset: number) => number {
  let line = 1;
  let next = bytes.indexOf(10);
  return (offset) => {
    for (; next >= 0 && next < offset; next = bytes.indexOf(10, next + 1)) line++;
    return line;
  };
}

/** Line ends within the quotes of a record: its first line is that many above its last. */
function lineBreaks(record: string[]): number {
  return record.reduce((breaks, field) => breaks + field.split('\n').length - 1, 0);
}

/** Where the columns are; undefined after a problem. A file of another kind is one problem. */
function findColumns(header: CsvRow, layout: CsvLayout, log: ProblemLog): Map<string, number> | undefined {
  const options = Array.from({ length: layout.optionCount }, (_, i) => `a${i}`);
  const needed = [layout.videoColumn, 'question', 'qid', 'type', ...options];
  const names = header.fields.map((name) => name.trim());
  const before = log.problems.length;
  const missing = needed.filter((name) => !names.includes(name));
  const otherwise = otherLayout(header.fields, needed, missing, layout.videoColumn);
  const got = `columns ${shown(header.fields.join(','), 200)}${otherwise ? `: ${otherwise}` : ''}`;
  if (missing.length === 1)
    log.add(header.line, missing[0]!, `a column of this name (${layout.dataset})`, got);
  else if (missing.length > 1 || otherwise)
    log.add(header.line, 'header', `columns ${needed.join(', ')} (${layout.dataset})`, got);
  if (log.problems.length > before) return undefined;
  const columns = new Map<string, number>();
  for (const name of [...needed, 'answer']) {
    const at = names.indexOf(name);
    if (at >= 0) columns.set(name, at);
    if (at >= 0 && names.indexOf(name, at + 1) >= 0)
      log.add(header.line, name, 'one column of this name', 'several');
  }
  return log.problems.length === before ? columns : undefined;
}

const SEPARATORS = { ';': 'semicolons', '\t': 'tabs', '|': 'bars' };

/** Why the needed columns are not found, and what to do; undefined for an unknown reason. */
function otherLayout(
  fields: readonly string[],
  needed: readonly string[],
  missing: readonly string[],
  videoColumn: string,
): string | undefined {
  if (fields.some((field) => field.includes('\r')))
    return 'its lines end in CR alone; save the file with line ends of LF';
  const header = fields.join(',');
  for (const [separator, name] of Object.entries(SEPARATORS)) {
    const parts = header.split(separator).map((part) => part.replace(/^[\s"]+|[\s"]+$/g, ''));
    if (needed.filter((column) => parts.includes(column)).length > needed.length - missing.length)
      return `its fields are separated by ${name}; save the file with commas`;
  }
  if (missing.includes(videoColumn))
    for (const { name, title, videoColumn: column } of datasetRecords())
      if (column !== undefined && fields.includes(column))
        return `it has ${column}, as files of ${title}; is the dataset ${name}?`;
  return missing.length > 1 ? 'is it a file of another dataset?' : undefined;
}

function readRow(
  row: CsvRow,
  header: CsvRow,
  columns: Map<string, number>,
  layout: CsvLayout,
  blind: boolean,
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
        ? ', and a line end of CR alone; save the file with line ends of LF'
        : '';
      log.add(line, 'row', `${header.fields.length} fields`, `${fields.length}${mixed}`);
    }
    return undefined;
  }
  const field = (name: string) => fields[columns.get(name) as number] as string;
  const filled = (name: string, what: string) => {
    const value = field(name).trim();
    if (!value) log.add(line, name, what, 'an empty field');
    return value;
  };
  const before = log.problems.length;
  const video = filled(layout.videoColumn, 'a video id');
  const qid = filled('qid', 'a question id');
  filled('question', 'a question');
  const type = filled('type', `one of ${layout.types.join(', ')}`);
  if (type && !layout.types.includes(type)) {
    log.add(line, 'type', `one of ${layout.types.join(', ')}`, shown(type));
  }
  const options = Array.from({ length: optionCount }, (_, i) => field(`a${i}`));
  const empty = options.flatMap((option, i) => (option.trim() ? [] : [`a${i}`]));
  if (empty.length > 0) {
    const verb = empty.length > 1 ? 'are' : 'is';
    const got = `${optionCount - empty.length} (${empty.join(', ')} ${verb} empty)`;
    log.add(line, 'options', `${optionCount} answer options`, got);
  }
  const answer = blind ? undefined : readAnswer(field('answer'), optionCount, line, log);
  if (log.problems.length > before) return undefined;
  const sample: Sample = {
    id: `${video}_${qid}`,
    dataset: layout.dataset,
    video,
    question: field('question'),
    options,
    type,
  };
  if (answer !== undefined) sample.answer = answer;
  return sample;
}

function readAnswer(text: string, optionCount: number, line: number, log: ProblemLog): number | undefined {
  const value = text.trim();
  if (/^\d+$/.test(value) && Number(value) < optionCount) return Number(value);
  log.add(
    line,
    'answer',
    `an integer from 0 to ${optionCount - 1}`,
    value ? shown(value) : 'an empty field (other rows have an answer)',
  );
  return undefined;
}
