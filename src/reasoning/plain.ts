/** Text without the marks that do not matter for reading an answer. */

/** A box in plain text; these marks occur in no prose. */
export const BOX = /⟦([^⟦⟧]*)⟧/g;

/**
 * Text without emphasis, code marks, quotes and LaTeX; a box is written `⟦C⟧`, and a letter by itself in bold, brackets
 * or braces `(C)`. Full-width forms and circled letters become the usual ones. Lines are kept, and so are apostrophes
 * inside words.
 */
export function plainText(text: string): string {
  if (!MARKED.test(text)) return text;
  return boxesMarked(usualForms(text.normalize('NFC').replace(BOX_TOKEN, (_, end) => (end ? '⟧' : '⟦'))))
    .replace(/\\[([\])]|~/g, ' ')
    .replace(/^\s*<([A-Z])>\s*$/g, '($1)')
    .replace(HEADING, '$1：')
    .replace(/<\/?(?:b|i|u|em|strong|mark|code|span|p|br|h[1-6])(?:\s[^<>\n]*)?\/?>/gi, '')
    .replace(
      /\*\*\(?([A-Z])\)?\*\*|\[{1,2}([A-Z])\]{1,2}|\{([A-Z])\}|【([A-Z])】|「([A-Z])」/g,
      '($1$2$3$4$5)',
    )
    .replace(/[*_`"“”«»„$『』「」【】]|(?<!\p{L})['‘’‚]|['‘’](?!\p{L})/gu, '')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/\n[ \n]*\n/g, '\n\n');
}

/**
 * Blanks for "no doubt", "without question": words that assure, and look like a denial. "Cannot be anything other than C"
 * becomes "must be C".
 */
export function withoutAssurances(plain: string): string {
  return plain.replace(ASSURANCE, (words) => ' '.repeat(words.length)).replace(NO_OTHER, 'must be ');
}

const NO_OTHER =
  /\b(?:can['’]t|cannot|can ?not|could(?:n['’]t| not)|can|could) be (?:anything|any (?:option|answer|choice)|nothing|none|no)(?: else)? (?:other than|but|except(?: for)?)\s+/gi;

const ASSURANCE =
  /\b(?:there(?:['’]s| is| can be) )?(?:no|without (?:a |any )?|beyond (?:a |any )?)\s*(?:doubt|question)\b(?: that\b| about it\b)?/gi;

/** "【答案】C": a heading in the brackets of Chinese and Japanese. */
const HEADING = /【([^【】\n]{2,12})】[^\S\n]*[:：]?/g;

/** What a text without marks has none of; an apostrophe between letters is none. */
const MARKED = /[^\n\x20-\x7E]|[\\<*_`"$~[\]{}]|'(?<![A-Za-z]'(?=[A-Za-z]))| {2}|\n *\n/;

/** Lower case, single spaces, words and numbers only, no leading article: equal for texts that say the same. */
export function comparable(text: string): string {
  return withoutArticle(spelled(text));
}

/** A text of {@link spelled} without its leading article. */
export function withoutArticle(spelling: string): string {
  return spelling.replace(/^(?:the|a|an)\s+(?=\S)/, '');
}

/** {@link comparable} with the leading article. */
export function spelled(text: string): string {
  const lower = plainText(text).toLowerCase();
  return lower.replace(isAscii(lower) ? /[^a-z0-9]+/g : /[^\p{L}\p{M}\p{N}]+/gu, ' ').trim();
}

/** Whether no character is beyond ASCII: then plain classes of characters do, which are faster than Unicode's. */
export function isAscii(text: string): boolean {
  return !/[\u0080-\uFFFF]/.test(text);
}

/** The words of a text in lower case. */
export function wordsIn(lower: string): readonly string[] {
  return lower.match(isAscii(lower) ? /[a-z0-9]+/g : /[\p{L}\p{M}\p{N}]+/gu) ?? [];
}

/** Cyrillic letters that look like option letters count as such only by themselves. */
const CYRILLIC: Record<string, string> = { А: 'A', В: 'B', С: 'C', Е: 'E' };

function usualForms(text: string): string {
  return text
    .replace(INVISIBLE, '')
    .replace(CONTROL, ' ')
    .replace(/[\uFF01-\uFF5E]/g, (form) => String.fromCharCode(form.charCodeAt(0) - 0xfee0))
    .replace(/[Ⓐ-Ⓩ]/g, (form) => `(${String.fromCharCode(form.charCodeAt(0) - 0x24b6 + 65)})`)
    .replace(
      /(?<![\p{L}\p{N}])[АВСЕ](?=\s*(?:$|[\n.:;)\]}>,!?*]))/gu,
      (letter) => CYRILLIC[letter] as string,
    );
}

/** Marks of no width, and control characters other than white space. */
const INVISIBLE = /[\u00AD\u200B-\u200F\u2060-\u2064\uFEFF]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed.
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/g;

/** Names of the tags around an answer. */
export const ANSWER_TAG = '(?:final[_ ]?answer|answer|ans|choice)';

/** GLM's box. */
export const BOX_TOKEN = /<\|(?:begin|(end))_of_box\|>/gi;
const BOX_COMMAND = /\\+(?:boxed|fbox|framebox)\s*\{/g;
/** A command around text that LaTeX sets upright, bold and so on. */
const TEXT_COMMAND = /\\+(?:text\w*|math\w+|operatorname|mbox|bf|rm)\s*\{([^{}]*)\}/g;

/** Ranges of the LaTeX boxes of `text`, with those of their contents; an open one ends with its line. */
export function boxesIn(text: string): { start: number; end: number; from: number; to: number }[] {
  const found = [];
  let ends: ReadonlyMap<number, number> | undefined;
  for (const match of text.matchAll(BOX_COMMAND)) {
    const from = match.index + match[0].length;
    ends ??= endsOfBraces(text);
    const to = ends.get(from - 1)!;
    found.push({ start: match.index, end: Math.min(text.length, text[to] === '}' ? to + 1 : to), from, to });
  }
  return found;
}

/** Where each opened brace is closed, or its line ends; one pass, since a model may repeat itself without end. */
function endsOfBraces(text: string): Map<number, number> {
  const ends = new Map<number, number>();
  let open: number[] = [];
  for (let i = 0; i <= text.length; i++) {
    const character = text[i] ?? '\n';
    if (character === '{') open.push(i);
    else if (character === '}' && open.length > 0) ends.set(open.pop()!, i);
    else if (character === '\n') {
      for (const brace of open) ends.set(brace, i);
      open = [];
    }
  }
  return ends;
}

function boxesMarked(text: string): string {
  if (!text.includes('\\')) return text;
  const flat = text.replace(TEXT_COMMAND, '$1');
  let result = '';
  let at = 0;
  for (const { start, end, from, to } of boxesIn(flat)) {
    if (start < at) continue;
    result += `${flat.slice(at, start)}⟦${flat.slice(from, to).replace(/[⟦⟧{}]/g, '')}⟧`;
    at = end;
  }
  return result + flat.slice(at);
}
