/**
 * Cutting a teacher's text into the units that refinement keeps or removes.
 *
 * A unit is a sentence, with the list marker in front of it if it opens a line, or a header: `###Answer: ...` and
 * `###Conclusion: ...` run to the end of their line or to the next header on it, `###Detailed Explanation:` is the
 * header alone. Only white space lies between two units.
 */
export interface Unit {
  /** Character range in the text, without surrounding white space. */
  start: number;
  end: number;
  /** The header this unit is, absent for a sentence. */
  header?: Header;
  /** A header whose line holds nothing else; the announced text is in the next lines. */
  bare?: boolean;
}

export type Header = 'answer' | 'conclusion' | 'explanation';

/** Marks that may open the line of a header and belong to it: a bullet, a number, a quotation mark. */
const OPENING = '(?:(?<=^|\\n)[^\\S\\n]*(?:(?:[-*•+>]|\\d{1,3}[.)])[^\\S\\n]+)*["\'“‘`]?)?';
const NAME =
  '(?:the\\s+)?(?:final\\s+|correct\\s+|best\\s+)*(answer|conclusion|detailed\\s+(?:explanation|reasoning))';
/** "Detailed Explanation of the Reasoning Process:" is one header, but only where nothing else follows on the line. */
const NAME_TAIL =
  '(?:(?:[^\\S\\n]+(?:of|the|reasoning|process|steps?))+(?=[^\\S\\n]*\\**[^\\S\\n]*(?::|\\n|$)))?';

/** Headers of appendix A.4 with the marks models put around them, anywhere in a line. */
const MARKED_HEADER = new RegExp(
  `${OPENING}(?:` +
    `#{1,6}\\s*\\**\\s*${NAME}\\b${NAME_TAIL}(?:[^\\S\\n]*\\*+(?=[\\s:]|$))?[^\\S\\n]*:?(?:\\*+(?=\\s|$))?|` +
    `\\*\\*\\s*${NAME}${NAME_TAIL}[^\\S\\n]*` +
    "(?:\\*\\*['’]?[^\\S\\n]*:|:[^\\S\\n]*\\*\\*|:|\\*\\*[^\\S\\n]*(?=\\n|$)))",
  'gi',
);
/** The same words without marks count only at the start of a line and with a colon. */
const PLAIN_HEADER =
  /^[^\S\n]*(?:[-*•][^\S\n]+)?(?:the\s+)?(?:final\s+|correct\s+)*(answer|conclusion|detailed\s+explanation)[^\S\n]*:/gim;

/** Any other header ends a header before it on its line. */
const OTHER_HEADER = /#{2,6}[^\S\n]*\p{L}/u;

interface FoundHeader {
  start: number;
  end: number;
  kind: Header;
}

/** Units of `text` in order; together with the white space between them they are the whole text. */
export function segment(text: string): Unit[] {
  const units: Unit[] = [];
  let at = 0;
  const headers = findHeaders(text);
  headers.forEach((header, i) => {
    addSentences(text, at, header.start, units);
    const end = endOfHeader(text, header.end, headers[i + 1]?.start ?? text.length);
    at = header.kind === 'explanation' ? header.end : end;
    const bare = /^[\s*:.'"]*$/.test(text.slice(header.end, end));
    pushTrimmed(text, header.start, at, units, { header: header.kind, bare });
  });
  addSentences(text, at, text.length, units);
  return units;
}

function findHeaders(text: string): FoundHeader[] {
  const found: FoundHeader[] = [];
  const marked = text.includes('#') || text.includes('**');
  if (!marked && !text.includes(':')) return found;
  if (!/answer|conclusion|detailed/i.test(text)) return found;
  for (const form of marked ? [MARKED_HEADER, PLAIN_HEADER] : [PLAIN_HEADER]) {
    for (const match of text.matchAll(form)) {
      const word = (match[1] ?? match[2] ?? '').toLowerCase();
      const kind = word === 'answer' || word === 'conclusion' ? word : 'explanation';
      const lead = /^\s*/.exec(match[0])?.[0].length ?? 0;
      found.push({ start: match.index + lead, end: match.index + match[0].length, kind });
    }
  }
  found.sort((a, b) => a.start - b.start);
  return found.filter((header, i) => i === 0 || header.start >= (found[i - 1] as FoundHeader).end);
}

/** The end of the line, or the next header on it. */
function endOfHeader(text: string, from: number, next: number): number {
  const newline = text.indexOf('\n', from);
  const end = Math.min(next, newline < 0 ? text.length : newline);
  const other = text.slice(from, end).search(OTHER_HEADER);
  return other < 0 ? end : from + other;
}

/** Bullets, numbers and single letters that open a list item; the sentence that follows owns them. */
const MARKER = /^(?:[-*•+>]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)]|(?:#{1,6}|step\s+\d+\s*:))[^\S\n]+/i;

function addSentences(text: string, from: number, to: number, units: Unit[]): void {
  let start = from;
  let at = from;
  while (at < to) {
    if (at === start) {
      at = skipMarkers(text, skipSpace(text, at, to), to);
      if (at >= to) break;
    }
    END.lastIndex = at;
    at = END.exec(text)?.index ?? to;
    if (at >= to) break;
    if (text[at] === '\n' ? endsAtNewline(text, at, to) : endsAfter(text, at, to, start)) {
      const end = text[at] === '\n' ? at : at + 1 + closing(text, at + 1, to);
      pushTrimmed(text, start, end, units);
      start = end;
      at = end;
    } else at++;
  }
  pushTrimmed(text, start, to, units);
}

/** Where a sentence may end. */
const END = /[\n.!?…。！？｡।॥؟۔]/g;

function skipSpace(text: string, from: number, to: number): number {
  let at = from;
  while (at < to && isSpace(text, at)) at++;
  return at;
}

/** Whether `\s` matches the character at a place; plain signs are told without an expression. */
function isSpace(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (code > 32 && code < 128) return false;
  return code === 32 || code === 10 || /\s/.test(text[at] ?? '');
}

const isCapital = (code: number) => code >= 65 && code <= 90;
const isSmall = (code: number) => code >= 97 && code <= 122;

function skipMarkers(text: string, from: number, to: number): number {
  let at = from;
  if (opensPlainly(text, at)) return at;
  for (
    let marker = MARKER.exec(text.slice(at, at + 24));
    marker;
    marker = MARKER.exec(text.slice(at, at + 24))
  ) {
    if (at + marker[0].length > to) return to;
    at += marker[0].length;
  }
  return at;
}

/** Whether a word opens here that is no marker for certain: "The", not "C)" nor "Step 1:". */
function opensPlainly(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  const next = text.charCodeAt(at + 1);
  return (isCapital(code) || isSmall(code)) && isSmall(next) && next !== 116;
}

/** Closing quotes, brackets and emphasis that belong to the sentence before them. */
function closing(text: string, from: number, to: number): number {
  if (text[from] === ' ' && isCapital(text.charCodeAt(from + 1))) return 0;
  const tail = text.slice(from, Math.min(to, from + 16));
  return (
    /^[.!?…。！？]*["'”’)\]*_」』）】》]*(?:[^\S\n]*[✅✓✔☑⭕❌✗✘✖❎☒]\uFE0F?)*/u.exec(tail)?.[0].length ?? 0
  );
}

/**
 * A newline ends a unit unless the sentence plainly runs on: no end mark before it, and lower case after it, as in
 * text that was wrapped to a width.
 */
function endsAtNewline(text: string, at: number, to: number): boolean {
  const after = text.slice(at + 1, Math.min(to, at + 200));
  if (/^[^\S\n]*(?:\n|$)/.test(after)) return true;
  const before = text.slice(Math.max(0, at - 4), at).trimEnd();
  return (
    /[.!?…:;*"”)。！？।॥؟：；」）]$/.test(before) ||
    !/^[^\S\n]*\p{Ll}/u.test(after) ||
    MARKER.test(after.trimStart())
  );
}

const SHORT =
  'etc vs cf mr mrs ms dr prof st fig figs approx al resp ca jr sr sec min max vol p pp bzw usw'.split(' ');
const ABBREVIATION = new RegExp(
  `(?:^|[\\s(["'])(?:${SHORT.join('|')}|` +
    'e\\.g|i\\.e|a\\.m|p\\.m|u\\.s|z\\.\\s?b|d\\.\\s?h|p\\.\\s?ej|т\\.\\s?[едкп])\\.$',
  'iu',
);
/** Words of small letters that an abbreviation ends with. */
const SHORT_ENDS: ReadonlySet<string> = new Set([...SHORT, 'ej']);
/** "No. 5", but "No. He stands." */
const NUMBER = /(?:^|[\s(["'])nos?\.$/i;

/** Whether the character at `at` ends a sentence: an end mark, then white space, then what can open a sentence. */
function endsAfter(text: string, at: number, to: number, start: number): boolean {
  const stop = text.charCodeAt(at) === FULL_STOP;
  if (stop && capitalFollows(text, at + 1, to) && endsWord(text, at)) return true;
  const end = at + 1 + closing(text, at + 1, to);
  if (end >= to) return true;
  if (/[。！？｡।॥؟۔]/.test(text[at] as string)) return true;
  if (!/\s/.test(text[end] as string)) return false;
  if (!stop) return true;
  const head = text.slice(Math.max(start, at - 24), at + 1);
  if (ABBREVIATION.test(head)) return false;
  if (NUMBER.test(head) && /^\s*\d/.test(text.slice(end, end + 8))) return false;
  return !/^\s*\p{Ll}/u.test(text.slice(end, Math.min(to, end + 24)));
}

const FULL_STOP = 46;

/** Whether spaces or ends of lines are here, and a capital behind them: no mark to close, and the next sentence opens. */
function capitalFollows(text: string, from: number, to: number): boolean {
  let at = from;
  while (at < to && (text[at] === ' ' || text[at] === '\n')) at++;
  return at > from && at < to && isCapital(text.charCodeAt(at));
}

/** Whether a word of small letters that ends no abbreviation ends here; the longest of those has six. */
function endsWord(text: string, at: number): boolean {
  let from = at;
  while (from > 0 && at - from < 7 && isSmall(text.charCodeAt(from - 1))) from--;
  if (at - from === 7) return true;
  return at - from > 1 && text[from - 1] === ' ' && !SHORT_ENDS.has(text.slice(from, at));
}

function pushTrimmed(
  text: string,
  from: number,
  to: number,
  units: Unit[],
  extra: Pick<Unit, 'header' | 'bare'> = {},
): void {
  let start = from;
  let end = to;
  while (start < end && isSpace(text, start)) start++;
  while (end > start && isSpace(text, end - 1)) end--;
  if (end > start) units.push({ start, end, ...extra });
}
