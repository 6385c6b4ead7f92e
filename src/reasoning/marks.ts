/** Takes a teacher's reply apart: prose, thinking, JSON, and marks that are neither. */
import { type JsonObject, jsonObjects, type Leaf } from './looseJson.js';
import { ANSWER_TAG } from './plain.js';
import { isAnswerKey, isQuestionKey } from './replyKeys.js';

/**
 * The marks in a teacher's reply: tags of thinking, a chat template's tokens, code fences, JSON.
 *
 * Thinking without its marks is reasoning like any other, so it stays in the prose. It holds no answer: a model weighs
 * options there, and only statements outside of it count. An opening tag without its closing one, as in a reply cut at
 * max_tokens, leaves no answer; a closing tag without its opening one ends thinking that began with the text.
 */
export interface Reply {
  /** The text in kept and removed pieces; white space that replaces a removed mark is a piece too. */
  pieces: readonly Piece[];
  /** The kept pieces together. */
  prose: string;
  /** The prose outside of thinking: where an answer may stand. */
  spoken: string;
  /** Answers in the fields of the last JSON object outside of thinking; empty without one. */
  fields: string[];
}

interface Piece {
  text: string;
  /** Why the piece is no prose. */
  removedBy?: string;
}

/** Name under which removed marks are counted. */
export const MARKS = 'marks';
const JSON_ANSWER = 'JSON answer';

/**
 * Parsing the prose again changes nothing.
 *
 * @param of the text cut into pieces; those with `removedBy` are no part of it
 */
export function readReply(text: string, of: readonly Piece[] = [{ text }]): Reply {
  const objects = jsonObjects(text);
  const decoded = rewritten(of, jsonEdits(text, objects));
  const inner = proseOf(decoded);
  const thinking = thinkingIn(inner);
  const pieces = trimmed(unmarked(decoded));
  const outside = complement(thinking, inner.length).map(([from, to]) => inner.slice(from, to));
  const said = outside.join('\n\n');
  return {
    pieces,
    prose: proseOf(pieces),
    spoken: proseOf(unmarked([{ text: said }])),
    fields: lastFields(text, objects),
  };
}

/** A reply that is prose and nothing else. */
export function proseReply(text: string, pieces: readonly Piece[] = [{ text }]): Reply {
  return { pieces, prose: text, spoken: text, fields: [] };
}

/** The kept pieces together. */
export function proseOf(pieces: readonly Piece[]): string {
  if (pieces.length === 1 && pieces[0]!.removedBy === undefined) return pieces[0]!.text;
  return pieces.map((piece) => (piece.removedBy === undefined ? piece.text : '')).join('');
}

/** The text without marks. Removing one can expose another, so the search repeats. */
function unmarked(pieces: readonly Piece[]): readonly Piece[] {
  let left = pieces;
  for (;;) {
    const prose = proseOf(left);
    const edits = [jsonEdits(prose, jsonObjects(prose)), markEdits(prose)].find((found) => found.length > 0);
    if (!edits) return left;
    left = rewritten(left, edits);
  }
}

interface Edit {
  /** Range in the prose. */
  start: number;
  end: number;
  as: string;
  by: string;
}

/** The pieces after `edits` of their prose, which are in order and do not overlap. */
function rewritten(pieces: readonly Piece[], edits: Edit[]): Piece[] {
  const result: Piece[] = [];
  const push = (piece: Piece) => {
    if (piece.text !== '') result.push(piece);
  };
  let at = 0;
  let next = 0;
  for (const piece of pieces) {
    if (piece.removedBy !== undefined) {
      push(piece);
      continue;
    }
    const end = at + piece.text.length;
    let from = at;
    for (let edit = edits[next]; edit && edit.start < end; edit = edits[next]) {
      const start = Math.max(edit.start, from);
      const stop = Math.min(edit.end, end);
      push({ text: piece.text.slice(from - at, start - at) });
      push({ text: piece.text.slice(start - at, stop - at), removedBy: edit.by });
      from = Math.max(stop, from);
      if (edit.end > end) break;
      push({ text: edit.as });
      next++;
    }
    push({ text: piece.text.slice(from - at) });
    at = end;
  }
  return result;
}

/** White space at the ends is removed when anything else was. */
function trimmed(pieces: readonly Piece[]): readonly Piece[] {
  if (pieces.every((piece) => piece.removedBy === undefined)) return pieces;
  const prose = proseOf(pieces);
  const from = prose.length - prose.trimStart().length;
  const to = prose.trimEnd().length;
  const edits = [
    { start: 0, end: Math.min(from, to), as: '', by: '' },
    { start: Math.max(from, to), end: prose.length, as: '', by: '' },
  ];
  return rewritten(
    pieces,
    edits.filter((edit) => edit.end > edit.start),
  );
}

/** `{"A": "wrong"}` means the same as the line `A: wrong`. */
const LETTER_KEY = /^[A-Z]$/;

/** Of every object its texts stay, one below the other; brackets, keys, numbers and the answer go. */
function jsonEdits(text: string, objects: JsonObject[]): Edit[] {
  const edits: Edit[] = [];
  for (const object of objects) {
    const fence = fenceAround(text, object);
    let from = fence.start;
    let answers = false;
    let lines = 0;
    const remove = (to: number, as: string) => {
      edits.push({ start: from, end: to, as, by: answers ? JSON_ANSWER : MARKS });
      answers = false;
      from = to;
    };
    for (const leaf of object.leaves) {
      answers ||= isAnswerKey(leaf.key);
      if (!isProse(text, leaf)) continue;
      const label = LETTER_KEY.test(leaf.key) ? `${leaf.key}: ` : '';
      remove(leaf.start, gap(text, from, lines++) + label);
      if (leaf.value !== text.slice(leaf.start, leaf.end)) remove(leaf.end, leaf.value);
      else from = leaf.end;
    }
    remove(fence.end, text.slice(fence.end).trim() === '' ? '' : '\n');
  }
  return edits;
}

function gap(text: string, from: number, lines: number): string {
  return lines > 0 || /\S$/.test(text.slice(0, from)) ? '\n' : '';
}

function fenceAround(text: string, { start, end }: JsonObject): { start: number; end: number } {
  const open =
    /(?:(?:```|~~~)[^\S\n]*\w*|(?<=^|\n)json)\s*$/i.exec(text.slice(Math.max(0, start - 40), start))?.[0] ??
    '';
  const close = /^\s*\]?\s*(?:```|~~~)/.exec(text.slice(end, end + 40))?.[0] ?? '';
  return { start: start - open.length, end: end + (open === '' ? 0 : close.length) };
}

/** A text that is neither the question given back nor, as a whole, the answer. */
function isProse(text: string, leaf: Leaf): boolean {
  if (!/["'“]/.test(text[leaf.start - 1] ?? '') || isQuestionKey(leaf.key)) return false;
  return (
    !isAnswerKey(leaf.key) || /[.!?。！？।]\s+\S|[。！？।]\s*[^\s。！？।]/.test(leaf.value.trim().slice(3))
  );
}

function lastFields(text: string, objects: JsonObject[]): string[] {
  const thinking = thinkingIn(text);
  const outside = objects.filter(({ start }) => !thinking.some(([from, to]) => start >= from && start < to));
  const answers = outside.map(({ leaves }) => leaves.filter((leaf) => isAnswerKey(leaf.key)));
  const given = answers.findLast((leaves) => leaves.length > 0);
  if (given) return given.map((leaf) => leaf.value);
  return judgedLetters(text, outside.at(-1)?.leaves ?? []);
}

/** The letters that an object calls true, `{"A": false, "B": true}`, or the one of the highest number; else none. */
function judgedLetters(text: string, leaves: readonly Leaf[]): string[] {
  const judged = leaves.filter(
    ({ key, start }) => LETTER_KEY.test(key) && !/["'“]/.test(text[start - 1] ?? ''),
  );
  if (new Set(judged.map(({ key }) => key)).size < 2) return [];
  if (judged.every(({ value }) => /^(?:true|false)$/i.test(value)))
    return judged.flatMap(({ key, value }) => (/^true$/i.test(value) ? [key] : []));
  const shares = judged.map(({ value }) => Number(value));
  const highest = Math.max(...shares);
  const best = judged.filter((_, i) => shares[i] === highest);
  return best.length === 1 ? best.map(({ key }) => key) : [];
}

/** Names of the thinking part in models' tags `<...>`, `[...]` and `◁...▷`. */
const THINKING =
  '(?:\\w+:)?(?:think|thinking|thought|thoughts|reasoning|reason|reflection|rethink|analysis|scratchpad|inner_monologue)';
/** Tokens with the meaning of such tags: Cohere, Sky-T1 and the harmony format. */
const OPEN_TOKEN = '<\\|(?:start_thinking|begin_of_thought|channel\\|>\\s*analysis\\s*<\\|message)\\|>';
const CLOSE_TOKEN =
  '<\\|(?:end_thinking|end_of_thought|(?:end\\|>\\s*<\\|start\\|>\\s*assistant\\s*<\\|)?channel\\|>\\s*final\\s*<\\|message)\\|>';
const LESS = '(?:<|&lt;|＜)';
const MORE = '(?:>|&gt;|＞)';
const ATTRIBUTES = '(?:\\s[^<>\\n]{0,100}=[^<>\\n]{0,100})?\\s*/?';
const tags = (slash: string) =>
  [
    `${LESS}\\s*${slash}\\s*\\|?${THINKING}\\|?${ATTRIBUTES}${MORE}`,
    `◁\\s*${slash}\\s*${THINKING}\\s*▷`,
    // Not `[Reasoning]`, which is a heading.
    `\\[\\s*${slash}\\s*think(?:ing)?\\s*\\]`,
  ].join('|');
const THINK_TAG = new RegExp(`(?<close>${tags('/')}|${CLOSE_TOKEN})|${tags('')}|${OPEN_TOKEN}`, 'giu');
const EMPTY_TAG = /\/\s*(?:>|&gt;|＞)$/;

/** Ranges of thinking in `text`. A tag opened twice is closed by the last closing one. */
function thinkingIn(text: string): [number, number][] {
  if (!THINK_SIGN.test(text)) return [];
  const found = [...text.matchAll(THINK_TAG)].filter((tag) => !EMPTY_TAG.test(tag[0]));
  const lastClose = found.findLastIndex((tag) => tag.groups?.close !== undefined);
  const ranges: [number, number][] = [];
  let depth = 0;
  let start = 0;
  found.forEach((tag, i) => {
    const end = tag.index + tag[0].length;
    if (tag.groups?.close === undefined) {
      if (depth++ === 0) start = tag.index;
      return;
    }
    depth = Math.max(0, depth - 1);
    if (depth > 0 && i !== lastClose) return;
    // A closing tag that nothing opened: all before it was thinking.
    if (start < (ranges.at(-1)?.[1] ?? 0)) start = 0;
    ranges.push([start, end]);
    start = 0;
    depth = 0;
  });
  if (depth > 0) ranges.push([start, text.length]);
  return ranges;
}

function complement(ranges: [number, number][], length: number): [number, number][] {
  const outside: [number, number][] = [];
  let at = 0;
  for (const [start, end] of ranges) {
    // A lone closing tag also ends thinking that began before text that seemed to be outside.
    if (start === 0) outside.length = 0;
    else outside.push([at, start]);
    at = end;
  }
  outside.push([at, length]);
  return outside;
}

/** A chat template's tokens: `<|im_end|>`, `<｜end▁of▁sentence｜>`, `</s>`, `<end_of_turn>`, `[/INST]`. */
const TOKEN =
  '(?:<\\|(?:im_start|start_header_id)\\|>|<start_of_turn>)[^\\S\\n]*\\w*|' +
  '<[|｜](?!(?:begin|end)_of_box)[\\p{L}\\p{N}_▁ :/-]{1,40}[|｜]>|' +
  '</?s>|<(?:pad|eos|bos|unk|image|video)>|<end_of_turn>|\\[/?INST\\]';
const FENCE = '(?<=^|\\n)[^\\S\\n]*(?:```|~~~)\\w*[^\\S\\n]*(?=\\n|$)';

const MARK = new RegExp(
  // Before a box or a bold letter that nothing parts from a sentence, white space is put in.
  `(?<think>(?:(?<!\\s)\\s+)?(?:(?:${THINK_TAG.source.replace('?<close>', '')})\\s*)+)|` +
    `(?<glue>(?<=[.!?。！？।"”)])(?=\\$?\\\\+(?:boxed|fbox)\\{|<\\|begin_of_box|\\*\\*\\(?[A-Z]\\)?\\*\\*))|` +
    `(?<token>(?:(?<!\\s)\\s+)?(?:(?:${TOKEN})\\s*)+)|(?<fence>${FENCE}\\n?)|(?<tag></?${ANSWER_TAG}>)`,
  'giu',
);

/** Without any of these a text has no mark. */
const MARK_SIGN = /[<[◁`~＜\\]|&lt;|\*\*/;
const THINK_SIGN = /[<[◁＜]|&lt;/;

function markEdits(text: string): Edit[] {
  if (!MARK_SIGN.test(text)) return [];
  const edits: Edit[] = [];
  for (const match of text.matchAll(MARK)) {
    const { think, token, fence, tag } = match.groups ?? {};
    const start = match.index;
    const end = start + match[0].length;
    const before = text[start - 1];
    const inside = start > 0 && end < text.length;
    const add = (from: number, to: number, as: string) => edits.push({ start: from, end: to, as, by: MARKS });
    if (think !== undefined) add(start, end, inside ? '\n\n' : '');
    else if (token !== undefined) add(start, end, inside ? widest(match[0], before) : '');
    else if (fence !== undefined) add(start, end, '');
    // The tags of an answer stay, since they mark the text between them as one. They get a line of their own.
    else if (tag === undefined) add(start, end, ' ');
    else if (/^\S*\//.test(tag)) {
      if (/^[^\S\n]*\S/.test(text.slice(end))) add(end, end, '\n');
    } else if (start > 0 && before !== '\n') add(start, start, '\n');
  }
  return edits;
}

/** Replacement of a token: the white space around it, a new line after a full stop, else nothing. */
function widest(match: string, before: string | undefined): string {
  const spaces = match.match(/\s+/g) ?? [];
  if (spaces.some((space) => space.includes('\n'))) return '\n';
  return /[.!?。！？।]/.test(before ?? '') ? '\n' : (spaces[0] ?? '');
}
