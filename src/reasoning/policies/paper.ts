/** The policy `paper`: removes the conclusions (section 3.2, appendix A.4). */
import { predictedAnswer } from '../answer.js';
import { Choices } from '../choices.js';
import { Cutting, type Refined, type RefinedPart, type Removal, SPACE, spacesBeside } from '../cutting.js';
import type { GeneratedText } from '../generated.js';
import {
  ANYTHING,
  glance,
  mayBeChanged,
  mayBeConclusion,
  mayBeHeading,
  mayHaveForms,
  mayHaveVerdicts,
  mayName,
  type Seen,
} from '../glance.js';
import { isCorrect } from '../grade.js';
import { MARKS, proseOf, proseReply, type Reply, readReply } from '../marks.js';
import { GROUND_TRUTH, PAPER_PATTERNS, type Pattern, PREDICTED_OPTION, STATED_ANSWER } from '../patterns.js';
import { ANSWER_TAG, BOX_TOKEN, boxesIn, comparable, plainText } from '../plain.js';
import { mayHoldOption } from '../reading/brief.js';
import { statedAnswer } from '../reading/stated.js';
import { mayConclude } from '../reading/worded.js';
import { rootsOf } from '../roots.js';
import { isChanged, mayHoldMarks, mayHoldVerdicts } from '../screen.js';
import { Sentence } from '../sentence.js';
import { segment, type Unit } from '../sentences.js';
import { TruthWords } from '../truthWords.js';
import { verdictsIn } from '../verdicts.js';
import {
  cutFurther,
  type PolicyRecord,
  type PolicySettings,
  type RefineSettings,
  resultOf,
  rowByRow,
} from './policy.js';

/**
 * Removes the patterns' headers and sentences, every sentence that states an answer ("option C is correct") and every
 * sentence that refers to the predicted option by its letter, or is nothing but that option. In a list that judges
 * option by option it removes the item called right and every item that is a verdict alone. From Incorrect Reasoning it
 * also removes the words of the ground truth, so sentences may be left incomplete, as the paper says.
 *
 * Marks go first ({@link readReply}): tags of thinking, a chat template's tokens, code fences, JSON with its answer.
 * Thinking is refined as the rest is. All kept text stays byte for byte, except that white space replaces a mark
 * between two words and texts in JSON lose their escapes. Refining the result again changes nothing.
 */
export function refine(reasoning: string, settings: RefineSettings): Refined {
  return refineFurther([{ text: reasoning }], settings);
}

/** {@link refine} of what is kept of a text that is cut into pieces already. */
function refineFurther(pieces: readonly RefinedPart[], settings: RefineSettings): Refined {
  const text = proseOf(pieces);
  const reply = mayHoldMarks(text) ? readReply(text, pieces) : proseReply(text, pieces);
  const rules = new Rules(settings, reply);
  const cutting = new Cutting(reply.pieces);
  // Deleting can join separate texts, so the rules run until they find nothing more.
  for (let last = false; !last; ) {
    const removals = rules.removals(cutting.current);
    last = removals.length === 0 || (settings.predicted !== undefined && endsText(removals, cutting.current));
    if (removals.length > 0) cutting.remove(removals);
  }
  const result = cutting.result();
  // What is joined can be a mark too.
  return result.refined !== text && mayHoldMarks(result.refined)
    ? refineFurther(result.parts, settings)
    : result;
}

/**
 * Whether whole units at the end of a text are removed, and nothing before them: then no separate texts are joined. Some
 * headers of Markdown are none without a line's end behind them.
 */
function endsText(removals: readonly Removal[], text: string): boolean {
  let at = text.length;
  for (let i = removals.length - 1; i >= 0; i--) {
    const { start, end } = removals[i] as Removal;
    if (end !== at) return false;
    at = start;
  }
  return removals[0]!.by === SPACE && !/[#*]/.test(text);
}

/** The rule that removes a unit as a whole. */
type Reason = string | undefined;

/** The rules for one sample; {@link Rules.removals} applies them once to a text. */
class Rules {
  private made: Choices | undefined;
  private readonly patterns: readonly Pattern[];
  /** Those of words; and those of them that a glance does not look for. */
  private readonly forms: readonly Pattern[];
  private readonly unseen: readonly Pattern[];
  private readonly truth: TruthWords | undefined;
  /** The answer that the reply states, once it is read. */
  private stated: { option: number | null } | undefined;
  /** Reasons of sentences that the pass before read, by the prediction and the sentence. */
  private readonly known = new Map<string, Reason>();

  constructor(
    private readonly settings: RefineSettings,
    private readonly reply: Reply,
  ) {
    this.patterns = settings.patterns ?? PAPER_PATTERNS;
    this.forms = this.patterns.filter(({ words }) => words);
    this.unseen = this.forms.filter((form) => !PAPER_PATTERNS.includes(form));
    const { answer, correct, groundTruth = 'phrase', options } = settings;
    if (correct === false && answer !== null && groundTruth !== 'keep')
      this.truth = new TruthWords(options, answer, groundTruth);
  }

  /** What to remove of `text`, in order and apart. */
  removals(text: string): Removal[] {
    const units = segment(text);
    const seen = units.map(({ start, end }) => glance(text, start, end));
    let all = seen.reduce((sum, one) => sum | one, 0);
    const changed = mayBeChanged(all) && isChanged(text);
    if (changed) {
      seen.fill(ANYTHING);
      all = ANYTHING;
    }
    const predicted = this.predictedIn(text);
    const reasons = units.map((unit, i) => this.reason(text, unit, predicted, seen[i] as Seen));
    const own = [...reasons];
    this.followBareHeaders(text, units, reasons);
    this.followAnnouncements(text, units, reasons);
    if (mayHaveVerdicts(all) && mayHoldVerdicts(text, changed))
      judgeLists(text, units, reasons, this.choices);
    const boxed = changed && /[\\<]/.test(text);
    const truth = this.truth?.isIn(text) ? this.truth : undefined;
    const inside = units.map((unit, i) => {
      if (reasons[i] !== undefined) return [];
      const sentence = text.slice(unit.start, unit.end);
      const found = truth ? truthIn(sentence, truth) : [];
      if (mayBeHeading(seen[i] as Seen)) found.push(...headingMark(sentence));
      if (boxed) found.push(...boxMarks(sentence));
      if (found.length === 0) return found;
      const apart = inOrder(found);
      const rest = without(sentence, apart);
      if (!/[\p{L}\p{N}]/u.test(rest)) reasons[i] = found[0]!.by;
      return apart;
    });
    markLeftovers(text, units, reasons);
    const removals = units.flatMap((unit, i): Removal[] => {
      const by = reasons[i];
      if (by !== undefined) return [{ start: unit.start, end: unit.end, by }];
      return inside[i]!.map((range) => ({
        start: unit.start + range.start,
        end: unit.start + range.end,
        by: range.by,
      }));
    });
    if (removals.length === 0) return removals;
    units.forEach(({ start, end, header }, i) => {
      if (!header) this.known.set(keyOf(text.slice(start, end), predicted), own[i]);
    });
    removals.push(...spacesBeside(text, units, (i) => reasons[i] !== undefined));
    return removals.sort((a, b) => a.start - b.start);
  }

  private get choices(): Choices {
    this.made ??= new Choices(this.settings.options);
    return this.made;
  }

  /** The given prediction; else the answers that the reply and its remaining text state. */
  private predictedIn(text: string): number[] {
    const { predicted } = this.settings;
    if (predicted !== undefined) return predicted === null ? [] : [predicted];
    const { fields, spoken } = this.reply;
    this.stated ??= { option: statedAnswer(this.reply, this.choices) };
    const same = fields.length === 0 && spoken === text;
    const now = same ? this.stated.option : statedAnswer(proseReply(text), this.choices);
    return [this.stated.option, now].filter((option) => option !== null);
  }

  private reason(text: string, unit: Unit, predicted: number[], seen: Seen): Reason {
    if (unit.header) return this.patterns.find((pattern) => pattern.header === unit.header)?.name;
    const sentence = text.slice(unit.start, unit.end);
    if (this.known.size > 0) {
      const key = keyOf(sentence, predicted);
      if (this.known.has(key)) return this.known.get(key);
    }
    return this.reasonOf(sentence, predicted, seen);
  }

  private reasonOf(sentence: string, predicted: number[], seen: Seen): Reason {
    const forms = mayHaveForms(seen) ? this.forms : this.unseen;
    if (forms.length > 0) {
      const plain = withoutEmphasis(sentence);
      const pattern = forms.find(({ words }) => words?.test(plain));
      if (pattern) return pattern.name;
    }
    if (predicted.some((option) => this.isText(sentence, option))) return PREDICTED_OPTION;
    if (!mayName(sentence, seen))
      return mayBeConclusion(seen) && this.concludes(sentence, predicted) ? PREDICTED_OPTION : undefined;
    const said = new Sentence(sentence, this.choices);
    if (said.statesAnswer() || said.announcesAnswer()) return STATED_ANSWER;
    if (predicted.some((option) => said.pointsAt(option))) return PREDICTED_OPTION;
    return undefined;
  }

  /** Whether a sentence without a letter or a word for an answer concludes a predicted option in its own words. */
  private concludes(sentence: string, predicted: number[]): boolean {
    return (
      predicted.some((option) => mayHoldOption(sentence, option, this.choices)) &&
      mayConclude(sentence) &&
      new Sentence(sentence, this.choices).concludes(predicted)
    );
  }

  /** Whether the sentence is nothing but the option, "He is tired" for "tired"; it has a few signs more at most. */
  private isText(sentence: string, option: number): boolean {
    const { length } = this.settings.options[option] ?? '';
    if (sentence.length > length + 16) return false;
    const words = comparable(sentence);
    if (words === this.choices.texts[option]) return true;
    const own = this.choices.rootsOf(option);
    return own.length > 0 && rootsOf(words).join(' ') === own.join(' ');
  }

  /** `###Answer:` alone on a line announces the next line, `###Conclusion:` the next paragraph. */
  private followBareHeaders(text: string, units: Unit[], reasons: Reason[]): void {
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
  private followAnnouncements(text: string, units: Unit[], reasons: Reason[]): void {
    units.forEach((unit, i) => {
      const before = units[i - 1];
      if (!before || reasons[i] !== undefined || reasons[i - 1] !== STATED_ANSWER) return;
      const said = new Sentence(text.slice(before.start, before.end), this.choices);
      if (!said.announcesAnswer()) return;
      if (new Sentence(text.slice(unit.start, unit.end), this.choices).isLabelled())
        reasons[i] = STATED_ANSWER;
    });
  }
}

const keyOf = (sentence: string, predicted: readonly number[]) => `${predicted}\n${sentence}`;

/** The ground truth's words in a kept sentence, with a space beside them. */
function truthIn(sentence: string, truth: TruthWords): Removal[] {
  return truth.find(sentence).map(({ start, end }) => {
    const spaced = (i: number) => /\s/.test(sentence[i] ?? '');
    if (spaced(end) && (start === 0 || spaced(start - 1))) return { start, end: end + 1, by: GROUND_TRUTH };
    if (end === sentence.length && spaced(start - 1)) return { start: start - 1, end, by: GROUND_TRUTH };
    return { start, end, by: GROUND_TRUTH };
  });
}

/** A text without emphasis marks and with single spaces. */
function withoutEmphasis(text: string): string {
  return /[*_`]|\s\s|[^\S ]/.test(text) ? text.replace(/[*_`]/g, '').replace(/\s+/g, ' ') : text;
}

/** Ranges by their beginnings, without what an earlier one covers. */
function inOrder(found: readonly Removal[]): Removal[] {
  const apart: Removal[] = [];
  for (const range of [...found].sort((a, b) => a.start - b.start || b.end - a.end)) {
    const start = Math.max(range.start, apart.at(-1)?.end ?? 0);
    if (range.end > start) apart.push({ ...range, start });
  }
  return apart;
}

function without(sentence: string, ranges: readonly Removal[]): string {
  let rest = '';
  let at = 0;
  for (const { start, end } of ranges) {
    rest += sentence.slice(at, start);
    at = end;
  }
  return rest + sentence.slice(at);
}

/** Removes from a list that judges option by option the item called right, and items that hold a verdict alone. */
function judgeLists(text: string, units: Unit[], reasons: Reason[], choices: Choices): void {
  const lines = units.map((unit) => plainText(text.slice(unit.start, unit.end)).replace(/\n/g, ' '));
  const verdicts = verdictsIn(lines.join('\n'), choices);
  if (verdicts.length === 0) return;
  let start = 0;
  units.forEach((_, i) => {
    const end = start + (lines[i] as string).length;
    const own = verdicts.filter((verdict) => verdict.at >= start && verdict.at <= end);
    if (own.some((verdict) => verdict.right || verdict.bare)) reasons[i] ??= STATED_ANSWER;
    start = end + 1;
  });
}

/** `###Reasoning:`, `**Step-by-step reasoning**`, `Reasoning:` before the steps: a form's mark and no step. */
const HEADING =
  /^(?:#{1,6}\s*\**|\*\*)\s*(?:detailed\s+|step[- ]by[- ]step\s+)?reasoning(?:\s+(?:process|steps?))?\s*(?:\*+\s*:?|:\s*\**|$)\s*|^reasoning\s*:\s*/i;

function headingMark(sentence: string): Removal[] {
  const mark = HEADING.exec(sentence)?.[0];
  return mark === undefined ? [] : [{ start: 0, end: mark.length, by: MARKS }];
}

const BOX_MARK = new RegExp(`</?${ANSWER_TAG}>|${BOX_TOKEN.source}`, 'gi');

/** Tags and boxes around text that is no option; the text stays. */
function boxMarks(sentence: string): Removal[] {
  const ranges = boxesIn(sentence).flatMap(({ start, end, from, to }) => [
    [start, from],
    [to, end],
  ]);
  for (const tag of sentence.matchAll(BOX_MARK)) ranges.push([tag.index, tag.index + tag[0].length]);
  return ranges.map(([start, end]) => ({ start: start!, end: end!, by: MARKS }));
}

/** LaTeX's display brackets, horizontal rules, a table's second line. */
const LEFTOVER = /^(?:\\+[[\]()]|\$\$?|[-*_=]{3,}|[|:\s-]*\|[|:\s-]*|[{}[\],]+)$/;

/** Removes marks around removed text, and the head of a table without rows left. */
function markLeftovers(text: string, units: Unit[], reasons: Reason[]): void {
  const is = (i: number, form: RegExp) => {
    const unit = units[i];
    return unit !== undefined && form.test(text.slice(unit.start, unit.end));
  };
  const gone = (i: number) => reasons[i] !== undefined;
  for (let i = units.length - 1; i >= 0; i--) {
    // No mark begins with a letter; `_` may.
    if (gone(i) || /[A-Za-z0-9]/.test(text[(units[i] as Unit).start] as string)) continue;
    if (is(i, /^(?:```|~~~)\w*$/)) reasons[i] = MARKS;
    else if (is(i, LEFTOVER) && (gone(i + 1) || gone(i - 1))) reasons[i] = MARKS;
    else if (is(i, /^\|.*\|$/) && is(i + 1, LEFTOVER) && gone(i + 1) && gone(i + 2)) reasons[i] = MARKS;
  }
}

export const paper: PolicyRecord = {
  name: 'paper',
  summary: "removes the conclusions by the paper's patterns (appendix A.4)",
  open: (settings) => rowByRow((row) => resultOf(paperRow(row, settings))),
};

/** {@link refine} of a row. */
export function paperRow(row: GeneratedText, settings: PolicySettings): Refined {
  return refine(row.reasoning, paperSettings(row, settings));
}

function paperSettings(row: GeneratedText, { patterns, groundTruth }: PolicySettings): RefineSettings {
  return {
    ...row,
    ...(row.predicted === null && !row.caption ? readAgain(row) : {}),
    ...(patterns ? { patterns } : {}),
    ...(groundTruth ? { groundTruth } : {}),
  };
}

/**
 * A text in which generate, perhaps in an older version, found no answer may have one that is found now. If that answer
 * is the true one, the reasoning is correct and keeps the words of the ground truth.
 */
function readAgain({
  reasoning,
  options,
  answer,
  correct,
}: GeneratedText): Pick<RefineSettings, 'predicted' | 'correct'> {
  const read = predictedAnswer(reasoning, options);
  // Nothing says that an ungradable text is right, so it loses the words of the ground truth.
  if (read === null) return { predicted: undefined, correct: answer === null ? correct : false };
  return { predicted: read, correct: isCorrect(read, answer) };
}

/**
 * What another rule leaves of what `paper` leaves. Removing sentences can join others, so both run until they find
 * nothing more.
 *
 * @param drop ranges of a text to remove, in order and apart
 */
export async function paperThen(
  row: GeneratedText,
  settings: PolicySettings,
  drop: (text: string) => Removal[] | Promise<Removal[]>,
): Promise<Refined> {
  const own = paperSettings(row, settings);
  let result = refine(row.reasoning, own);
  for (;;) {
    const removals = await drop(result.refined);
    if (removals.length === 0) return result;
    result = refineFurther(cutFurther(result, removals).parts, own);
  }
}
