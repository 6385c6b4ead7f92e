/** Refinement: removes the conclusions from a teacher's reasoning. */
import { optionLetter } from '../data/sample.js';
import { Sentence, statedAnswer } from './answer.js';
import { Choices, letterForms } from './choices.js';
import { MARKS, proseReply, type Reply, readReply } from './marks.js';
import { GROUND_TRUTH, PAPER_PATTERNS, type Pattern, PREDICTED_OPTION, STATED_ANSWER } from './patterns.js';
import { ANSWER_TAG, BOX_TOKEN, boxesIn, comparable, plainText } from './plain.js';
import { segment, type Unit } from './sentences.js';
import { verdictsIn } from './verdicts.js';

/**
 * The paper's second phase: a teacher's reasoning without its conclusion (section 3.2, appendix A.4).
 *
 * Refinement removes the patterns' headers and sentences, every sentence that states an answer ("option C is correct")
 * and every sentence that refers to the predicted option by its letter, or is nothing but that option. In a list that
 * judges option by option it removes the item called right and every item that is a verdict alone. From Incorrect
 * Reasoning it also removes the words of the ground truth, so sentences may be left incomplete, as the paper says.
 *
 * Marks go first ({@link readReply}): tags of thinking, a chat template's tokens, code fences, JSON with its answer.
 * Thinking is refined as the rest is. All kept text stays byte for byte, except that white space replaces a mark
 * between two words and texts in JSON lose their escapes.
 */
export interface RefineSettings {
  question?: string;
  options: readonly string[];
  /** Ground truth, 0-based; null when unknown. */
  answer: number | null;
  /** Whether the teacher's answer was right. Only `false` makes the ground truth's words go. */
  correct: boolean | null;
  /** The teacher's answer as `predictedAnswer` read it; when undefined, the answer that the text states explicitly. */
  predicted?: number | null;
  /** Default {@link PAPER_PATTERNS}. */
  patterns?: readonly Pattern[];
  /**
   * What "words that contain the ground truth" means for Incorrect Reasoning: `phrase` (default), the option's whole
   * text, with its article and plural, and its letter ("option A", "(A)"); `words`, also each of its content words;
   * `keep`, nothing.
   */
  groundTruth?: 'phrase' | 'words' | 'keep';
}

/** A piece of the original text and, when it was removed, the pattern that removed it. */
export interface RefinedPart {
  text: string;
  removedBy?: string;
}

export interface Refined {
  /** The refined text; empty when nothing to learn from is left. */
  refined: string;
  /** Removed sentences and words, in the order of the text. */
  removed: string[];
  /** Number of removals by pattern. */
  counts: Record<string, number>;
  /** The original in kept and removed pieces, with white space that replaces a mark. */
  parts: RefinedPart[];
}

/** Refines one text. Refining the result again changes nothing. */
export function refine(reasoning: string, settings: RefineSettings): Refined {
  const reply = readReply(reasoning);
  const rules = new Rules(settings, reply);
  const text = reply.pieces.map((piece) => piece.text).join('');
  const owner: (string | undefined)[] = reply.pieces.flatMap((piece) =>
    new Array(piece.text.length).fill(piece.removedBy),
  );
  let index = owner.flatMap((by, i) => (by === undefined ? [i] : []));
  let current = reply.prose;
  // Deleting can join separate texts, so the rules run until they find nothing more.
  for (;;) {
    const marks = rules.marks(current);
    if (marks.every((mark) => mark === undefined)) break;
    marks.forEach((mark, i) => {
      if (mark !== undefined) owner[index[i] as number] = mark;
    });
    index = index.filter((_, i) => marks[i] === undefined);
    current = index.map((i) => text[i]).join('');
  }
  if (!/[\p{L}\p{N}]/u.test(current)) {
    for (const i of index) owner[i] = SPACE;
    current = '';
  }
  return { refined: current, ...summary(text, owner) };
}

/** White space removed together with the text beside it. */
const SPACE = '';

function summary(text: string, owner: (string | undefined)[]): Omit<Refined, 'refined'> {
  const parts: RefinedPart[] = [];
  const removed: string[] = [];
  const counts: Record<string, number> = {};
  for (let start = 0; start < text.length; ) {
    const by = owner[start];
    let end = start + 1;
    while (end < text.length && owner[end] === by) end++;
    const piece = text.slice(start, end);
    if (by === undefined) parts.push({ text: piece });
    else {
      parts.push({ text: piece, removedBy: by });
      if (by !== SPACE) {
        removed.push(piece.trim());
        counts[by] = (counts[by] ?? 0) + 1;
      }
    }
    start = end;
  }
  return { parts, removed, counts };
}

type Mark = string | undefined;

/** The rules for one sample; {@link Rules.marks} applies them once to a text. */
class Rules {
  private readonly choices: Choices;
  private readonly patterns: readonly Pattern[];
  private readonly truth: RegExp[];

  constructor(
    private readonly settings: RefineSettings,
    private readonly reply: Reply,
  ) {
    this.choices = new Choices(settings.options);
    this.patterns = settings.patterns ?? PAPER_PATTERNS;
    const { answer, correct, groundTruth = 'phrase' } = settings;
    this.truth =
      correct === false && answer !== null && groundTruth !== 'keep'
        ? truthForms(settings.options[answer] ?? '', answer, groundTruth === 'words')
        : [];
  }

  /** For every UTF-16 unit of `text` the pattern that removes it, or undefined when it stays. */
  marks(text: string): Mark[] {
    const units = segment(text);
    const predicted = this.predictedIn(text);
    const reasons = units.map((unit) => this.reason(text, unit, predicted));
    this.followBareHeaders(text, units, reasons);
    this.followAnnouncements(text, units, reasons);
    judgeLists(text, units, reasons, this.choices);
    const marks: Mark[] = new Array(text.length).fill(undefined);
    units.forEach((unit, i) => {
      if (reasons[i] === undefined) reasons[i] = this.markTruth(text, unit, marks);
      if (reasons[i] === undefined) reasons[i] = markBoxes(text, unit, marks);
    });
    markLeftovers(text, units, reasons);
    units.forEach((unit, i) => {
      if (reasons[i] !== undefined) marks.fill(reasons[i], unit.start, unit.end);
    });
    markSpaces(text, units, reasons, marks);
    return marks;
  }

  /** The given prediction; else the answers that the reply and its remaining text state. */
  private predictedIn(text: string): number[] {
    const { predicted } = this.settings;
    if (predicted !== undefined) return predicted === null ? [] : [predicted];
    const read = [this.reply, proseReply(text)].map((reply) => statedAnswer(reply, this.choices));
    return read.filter((option) => option !== null);
  }

  /** The pattern that removes a unit as a whole. */
  private reason(text: string, unit: Unit, predicted: number[]): Mark {
    if (unit.header) return this.patterns.find((pattern) => pattern.header === unit.header)?.name;
    const sentence = text.slice(unit.start, unit.end);
    const plain = sentence.replace(/[*_`]/g, '').replace(/\s+/g, ' ');
    const pattern = this.patterns.find(({ words }) => words?.test(plain));
    if (pattern) return pattern.name;
    const said = new Sentence(sentence, this.choices);
    if (said.statesAnswer() || said.announcesAnswer()) return STATED_ANSWER;
    if (predicted.some((option) => said.pointsAt(option))) return PREDICTED_OPTION;
    return undefined;
  }

  /** `###Answer:` alone on a line announces the next line, `###Conclusion:` the next paragraph. */
  private followBareHeaders(text: string, units: Unit[], reasons: Mark[]): void {
    units.forEach((unit, i) => {
      const by = reasons[i];
      if (!unit.bare || by === undefined || unit.header === 'explanation') return;
      const stop = unit.header === 'answer' ? /\n/ : /\n[^\S\n]*\n/;
      for (let j = i + 1; j < units.length; j++) {
        const next = units[j] as Unit;
        const gap = text.slice((units[j - 1] as Unit).end, next.start);
        if (next.header || (j > i + 1 && stop.test(gap))) break;
        reasons[j] = by;
      }
    });
  }

  /** "The answer is:" alone announces the option in the next unit. */
  private followAnnouncements(text: string, units: Unit[], reasons: Mark[]): void {
    units.forEach((unit, i) => {
      const before = units[i - 1];
      if (!before || reasons[i] !== undefined || reasons[i - 1] !== STATED_ANSWER) return;
      const said = new Sentence(text.slice(before.start, before.end), this.choices);
      if (!said.announcesAnswer()) return;
      if (new Sentence(text.slice(unit.start, unit.end), this.choices).isLabelled())
        reasons[i] = STATED_ANSWER;
    });
  }

  /** Marks the ground truth's words in a kept unit; the reason to drop the unit when nothing else was in it. */
  private markTruth(text: string, unit: Unit, marks: Mark[]): Mark {
    const sentence = text.slice(unit.start, unit.end);
    let found = false;
    for (const form of this.truth) {
      for (const match of sentence.matchAll(form)) {
        let start = match.index;
        let end = start + match[0].length;
        if (/\s/.test(sentence[end] ?? '') && (start === 0 || /\s/.test(sentence[start - 1] as string)))
          end++;
        else if (end === sentence.length && /\s/.test(sentence[start - 1] ?? '')) start--;
        marks.fill(GROUND_TRUTH, unit.start + start, unit.start + end);
        found = true;
      }
    }
    if (!found) return undefined;
    const rest = sentence.split('').filter((_, i) => marks[unit.start + i] === undefined);
    return /[\p{L}\p{N}]/u.test(rest.join('')) ? undefined : GROUND_TRUTH;
  }
}

/** Removes from a list that judges option by option the item called right, and items that hold a verdict alone. */
function judgeLists(text: string, units: Unit[], reasons: Mark[], choices: Choices): void {
  const lines = units.map((unit) => plainText(text.slice(unit.start, unit.end)).replace(/\n/g, ' '));
  const verdicts = verdictsIn(lines.join('\n'), choices);
  let start = 0;
  units.forEach((_, i) => {
    const end = start + (lines[i] as string).length;
    const own = verdicts.filter((verdict) => verdict.at >= start && verdict.at <= end);
    if (own.some((verdict) => verdict.right || verdict.bare)) reasons[i] ??= STATED_ANSWER;
    start = end + 1;
  });
}

const BOX_MARK = new RegExp(`</?${ANSWER_TAG}>|${BOX_TOKEN.source}`, 'gi');

/** Removes tags and boxes around text that is no option; the text stays. */
function markBoxes(text: string, unit: Unit, marks: Mark[]): Mark {
  const sentence = text.slice(unit.start, unit.end);
  const ranges = boxesIn(sentence).flatMap(({ start, end, from, to }) => [
    [start, from],
    [to, end],
  ]);
  for (const tag of sentence.matchAll(BOX_MARK)) {
    ranges.push([tag.index, tag.index + tag[0].length]);
  }
  for (const [from, to] of ranges as [number, number][])
    marks.fill(MARKS, unit.start + from, unit.start + to);
  const rest = sentence.split('').filter((_, i) => marks[unit.start + i] === undefined);
  return ranges.length > 0 && !/[\p{L}\p{N}]/u.test(rest.join('')) ? MARKS : undefined;
}

/** LaTeX's display brackets, horizontal rules, a table's second line. */
const LEFTOVER = /^(?:\\+[[\]()]|\$\$?|[-*_=]{3,}|[|:\s-]*\|[|:\s-]*|[{}[\],]+)$/;

/** Removes marks around removed text, and the head of a table without rows left. */
function markLeftovers(text: string, units: Unit[], reasons: Mark[]): void {
  const is = (i: number, form: RegExp) => {
    const unit = units[i];
    return unit !== undefined && form.test(text.slice(unit.start, unit.end));
  };
  const gone = (i: number) => reasons[i] !== undefined;
  for (let i = units.length - 1; i >= 0; i--) {
    if (gone(i)) continue;
    if (is(i, /^(?:```|~~~)\w*$/)) reasons[i] = MARKS;
    else if (is(i, LEFTOVER) && (gone(i + 1) || gone(i - 1))) reasons[i] = MARKS;
    else if (is(i, /^\|.*\|$/) && is(i + 1, LEFTOVER) && gone(i + 1) && gone(i + 2)) reasons[i] = MARKS;
  }
}

/** Between two kept units keeps the white space with the most newlines; at the ends it keeps none. */
function markSpaces(text: string, units: Unit[], reasons: Mark[], marks: Mark[]): void {
  const kept = units.flatMap((_, i) => (reasons[i] === undefined ? [i] : []));
  const first = kept[0] ?? units.length;
  const last = kept.at(-1) ?? -1;
  const space = (from: number, to: number) => marks.fill(SPACE, from, to);
  if (first > 0) {
    for (let i = 0; i <= first; i++) space(units[i - 1]?.end ?? 0, units[i]?.start ?? text.length);
  }
  if (last < units.length - 1) {
    for (let i = last + 1; i <= units.length; i++)
      space(units[i - 1]?.end ?? 0, units[i]?.start ?? text.length);
  }
  for (let k = 1; k < kept.length; k++) {
    const gaps: [number, number][] = [];
    for (let i = kept[k - 1] as number; i < (kept[k] as number); i++) {
      gaps.push([(units[i] as Unit).end, (units[i + 1] as Unit).start]);
    }
    const lines = gaps.map(([from, to]) => text.slice(from, to).split('\n').length);
    const widest = lines.indexOf(Math.max(...lines));
    gaps.forEach(([from, to], i) => {
      if (i !== widest) space(from, to);
    });
  }
}

/** Words too common to identify an option; `words` mode keeps them. */
const COMMON = new Set(
  (
    'a an and are as at be been by for from had has have he her him his in into is it its of off on or out she so ' +
    'that the their them they this to up was were will with'
  ).split(' '),
);

/** Expressions for the words to delete from a sentence of Incorrect Reasoning. */
function truthForms(option: string, answer: number, eachWord: boolean): RegExp[] {
  const forms = letterForms(optionLetter(answer));
  const words = comparable(option)
    .split(' ')
    .filter((word) => word !== '');
  if (words.length > 0) forms.unshift(phrase(words, true));
  if (eachWord) {
    for (const word of words) if (word.length > 1 && !COMMON.has(word)) forms.push(phrase([word], false));
  }
  return forms;
}

/** The words in a row, in any case, separated by anything but letters; plural and possessive endings included. */
function phrase(words: string[], article: boolean): RegExp {
  const body = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\p{L}\\p{N}]+');
  const lead = article ? '(?:(?:the|a|an)\\s+)?' : '';
  return new RegExp(`(?<![\\p{L}\\p{N}])${lead}${body}(?:es|s|['’]s)?(?![\\p{L}\\p{N}])`, 'giu');
}
