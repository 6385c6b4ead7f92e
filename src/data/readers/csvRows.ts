/**
 * The rows of a text of comma-separated values (RFC 4180; LF or CRLF). Rows are read one by one, and each knows its line: a
 * file may be larger than memory, and a fault costs the row that it is in.
 */
import { type ProblemLog, shown } from '../problems.js';
import { type Line, LONGEST_LINE, linesOf, type TextSource } from '../textFile.js';

export interface CsvRow {
  /** 1-based line on which the row begins. */
  line: number;
  fields: string[];
  /** A field without quotes has a CR, which is half of a line end. */
  loneCr: boolean;
}

/** Characters of a row over several lines; past them its quote counts as one that is never closed. */
const LONGEST_ROW = 2 ** 20;

export const SAVE_WITH_LF = 'save the file with line ends of LF';

/** Separators that tables have in place of commas. */
const SEPARATORS = new Map([
  [';', 'semicolons'],
  ['\t', 'tabs'],
  ['|', 'bars'],
]);

/** What a message says about a file with another separator, for each that may be it. */
export const OTHER_SEPARATORS = [...SEPARATORS].map(([separator, name]) => ({
  separator,
  message: `its fields are separated by ${name}; save the file with commas`,
}));

/**
 * The rows in groups as they are read; empty lines are passed over. A quote inside an unquoted field is text, as Python's csv
 * module (which wrote the published files) has it. A fault goes to the log with its line, and reading continues on the line
 * behind it; a fault in the first row ends it.
 */
export async function* csvRows(source: TextSource, log: ProblemLog): AsyncGenerator<CsvRow[]> {
  const reader = new CsvReader(log);
  for await (const lines of linesOf(source, 'LF')) {
    yield reader.read(lines);
    if (reader.broken) return;
  }
  yield reader.end();
}

class CsvReader {
  /** Whether the first row, the header, has a fault. */
  broken = false;
  private rows = 0;
  /** The row that is open, its lines and their length in characters. */
  private row: RowParser | undefined;
  private lines: Line[] = [];
  private length = 0;

  constructor(private readonly log: ProblemLog) {}

  read(lines: readonly Line[]): CsvRow[] {
    const found: CsvRow[] = [];
    // Lines to read again after a fault, the next one last.
    const again: Line[] = [];
    for (let i = 0; !this.broken && (again.length > 0 || i < lines.length); ) {
      const line = again.pop() ?? lines[i++]!;
      if (this.row === undefined && isEmpty(line)) continue;
      const state = this.take(line);
      if (state === 'open' && (this.lines.length === 1 || this.length <= LONGEST_ROW)) continue;
      if (state === 'done') found.push(this.done());
      else for (const behind of this.faulty(state)) again.push(behind);
    }
    return found;
  }

  /** The rows behind quotes that the text never closes. */
  end(): CsvRow[] {
    const found: CsvRow[] = [];
    while (this.row) for (const row of this.read(this.faulty('open').reverse())) found.push(row);
    return found;
  }

  private done(): CsvRow {
    const { fields, loneCr } = this.row!;
    this.row = undefined;
    this.rows++;
    return { line: this.lines[0]!.line, fields, loneCr };
  }

  /** Reports a fault; the lines behind it that were read, the last one first. */
  private faulty(state: 'open' | Fault): Line[] {
    const fault = state === 'open' ? { ...NEVER_CLOSED, line: this.row!.quoteLine } : state;
    this.log.add(fault.line, fault.field, fault.expected, fault.got);
    this.broken = this.rows === 0;
    this.row = undefined;
    return this.lines.filter(({ line }) => line > fault.line).reverse();
  }

  private take(line: Line): State {
    if (this.row === undefined) {
      this.row = new RowParser();
      this.lines = [];
      this.length = 0;
    }
    this.lines.push(line);
    this.length += line.text.length;
    return this.row.add(line);
  }
}

const isEmpty = ({ text }: Line) => text === '' || text === '\r';

/** Whether a row is complete, continues on the next line, or has a fault. */
type State = 'done' | 'open' | Fault;

/** What is wrong with a row. */
interface Fault {
  line: number;
  field: string;
  expected: string;
  got: string;
}

const NEVER_CLOSED = { field: 'quotes', expected: 'well-formed CSV', got: 'a quote that is never closed' };

/** Reads one row line by line. */
class RowParser {
  fields: string[] = [];
  loneCr = false;
  /** Line of the quote that is open. */
  quoteLine = 0;
  /** The text so far of a quoted field that is open. */
  private quoted: string[] | undefined;

  add({ line, text, tooLong }: Line): State {
    const broken = tooLong ? longLine(line, text) : nulByte(line, text);
    // The quote that is open is not closed by such a line, which is then read by itself.
    if (broken) return this.quoted ? { ...NEVER_CLOSED, line: this.quoteLine } : broken;
    const end = text.endsWith('\r') ? text.length - 1 : text.length;
    let at = 0;
    if (this.quoted) {
      this.quoted.push('\n');
    } else if (!text.includes('"')) {
      const whole = end < text.length ? text.slice(0, end) : text;
      this.fields = whole.split(',');
      this.loneCr = whole.includes('\r');
      return 'done';
    }
    for (;;) {
      if (this.quoted || text[at] === '"') {
        if (!this.quoted) {
          this.quoted = [];
          this.quoteLine = line;
          at++;
        }
        const close = this.readQuoted(text, at);
        if (close === undefined) return 'open';
        at = close;
        if (at < end && text[at] !== ',') return textBehind(this.quoteLine, line, text.slice(at, end));
      } else {
        const comma = text.indexOf(',', at);
        const stop = comma < 0 ? end : comma;
        const field = text.slice(at, stop);
        if (field.includes('\r')) this.loneCr = true;
        this.fields.push(field);
        at = stop;
      }
      if (at >= end) return 'done';
      at++;
    }
  }

  /** Reads on in a quoted field; the offset behind its closing quote, or undefined when that is not on this line. */
  private readQuoted(text: string, from: number): number | undefined {
    const parts = this.quoted!;
    for (let at = from; ; ) {
      const quote = text.indexOf('"', at);
      parts.push(text.slice(at, quote < 0 ? undefined : quote));
      if (quote < 0) return undefined;
      if (text[quote + 1] !== '"') {
        this.fields.push(parts.join(''));
        this.quoted = undefined;
        return quote + 1;
      }
      parts.push('"');
      at = quote + 2;
    }
  }
}

/** The fault of a text behind a quoted field. */
function textBehind(line: number, closed: number, text: string): Fault {
  const other = OTHER_SEPARATORS.find(({ separator }) => text.startsWith(separator));
  const where = closed > line ? ` on line ${closed}` : '';
  return {
    line,
    field: 'quotes',
    expected: 'a comma or the end of the line behind a quoted field, in which a quote is written twice',
    got: `${shown(text)}${where}${other ? `: ${other.message}` : ''}`,
  };
}

function nulByte(line: number, text: string): Fault | undefined {
  const at = text.indexOf('\0');
  return at < 0
    ? undefined
    : { line, field: 'row', expected: 'text', got: `a NUL byte, at column ${at + 1}` };
}

function longLine(line: number, text: string): Fault {
  if (text.includes('\r'))
    return { line, field: 'line ends', expected: 'LF or CRLF', got: `CR alone; ${SAVE_WITH_LF}` };
  const expected = `a line of at most ${LONGEST_LINE} characters`;
  return { line, field: 'row', expected, got: `a longer one, which begins with ${shown(text)}` };
}
