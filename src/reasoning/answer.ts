/** Reads the option that a teacher chose out of its text. */
import { shortened } from '../base/values.js';
import { Choices, type FoundLetter } from './choices.js';
import { type Cues, cuesIn, denies, ENGLISH_CUES } from './cues.js';
import { isCounterfactual, leaningIn, speaksAgainst } from './leaning.js';
import { type Reply, readReply } from './marks.js';
import { ANSWER_TAG, BOX, plainText } from './plain.js';
import { verdictsIn } from './verdicts.js';

/**
 * The option a teacher chose, read from its free text: the paper's predicted answer, which decides between Correct and
 * Incorrect Reasoning (section 3.1). It is the only reader of answers: refinement removes the same forms.
 *
 * Read outside of thinking ({@link Reply}), in this order; of several mentions of a kind the last counts, since it is
 * the final word:
 * 1. `field`: a JSON object's field, `{"answer": "C"}`: a letter, an option's text, or its 0-based index;
 * 2. `header`: `###Answer: C`, `**Answer**: (C)`, `Final answer: The blanket`, `<answer>C</answer>`, `答案：C`, or
 *    `boxed`: `\boxed{C}`; two boxes in one sentence are no answer unless they agree;
 * 3. `phrase`: "the correct answer is C", "(C) is correct", "option C is the best choice", "I choose C";
 * 4. `conclusion`: "Therefore, option C", "Hence, C.", `###Conclusion: ... option C`;
 * 5. `list`: the one option that a list calls right, `A ❌ B ❌ C ✅`;
 * 6. `line`: a last or first line, or a last sentence, that is nothing but a letter or an option;
 * 7. `pointer`: "it must be C", "that leaves C", at the end of a sentence, when all of them agree;
 * 8. `leaning`: "if we must choose, the most plausible is C": a clause that prefers one option, the last one; also behind
 *    a refusal or a hedge;
 * 9. `mention`: the one option that the whole text refers to by letter without denying it.
 *
 * The words are those of `languages/`. Negated statements do not count ("option A is not correct"; of "not A but C" C
 * does), nor does an article ("the answer is A person" means an option's text, or nothing). A hedge ("A or B"), a
 * refusal ("none of these") or a letter that no option has, as the last statement, means no answer.
 */
export interface Answer {
  /** 0-based. */
  option: number;
  stated: Stated;
}

export type Stated =
  | 'field'
  | 'boxed'
  | 'header'
  | 'phrase'
  | 'conclusion'
  | 'list'
  | 'line'
  | 'pointer'
  | 'leaning'
  | 'mention';

/** Why no option is read: the rules of src/reasoning/README.md. */
export type Unread =
  /** The text holds no letter or digit. */
  | 'empty'
  /** All of it is thinking that never ends in an answer. */
  | 'thinking'
  /** "None of these", "it cannot be determined". */
  | 'refusal'
  /** "A or B", "both A and C", two letters of equal rank. */
  | 'several'
  /** A letter or number that no option has. */
  | 'beyond'
  /** No rule finds an option. */
  | 'silent';

export type Rule = Stated | Unread;

/** What is read from a text, and from which of its words. */
export interface Reading {
  /** 0-based option, or null. */
  option: number | null;
  /** The rule that read it; without an option the rule that says why. */
  rule: Rule;
  /** The sentence that decided, at most {@link MOST_WORDS} characters; empty where none did. */
  words: string;
}

/** Reads the option that a text names, with the reason when it names none. */
export function readText(text: string, options: readonly string[]): Reading {
  if (!/[\p{L}\p{N}\p{So}]/u.test(text)) return { option: null, rule: 'empty', words: '' };
  const reply = readReply(text);
  const plain = plainText(reply.spoken);
  const found = candidateOf(reply, plain, new Choices(options));
  if (found) {
    const { index, stated } = found;
    const words = stated === 'field' ? reply.fields.join(', ') : sentenceAt(plain, found.at);
    return typeof index === 'number'
      ? { option: index, rule: stated, words: shortened(words, MOST_WORDS) }
      : { option: null, rule: index, words: shortened(words, MOST_WORDS) };
  }
  const refused = REFUSAL.exec(plain);
  if (refused) {
    const words = sentenceAt(plain, refused.index + refused[0].length);
    return { option: null, rule: 'refusal', words: shortened(words, MOST_WORDS) };
  }
  const spoken = /[\p{L}\p{N}]/u.test(plain);
  return { option: null, rule: spoken || reply.fields.length > 0 ? 'silent' : 'thinking', words: '' };
}

const MOST_WORDS = 160;

/** A reply without an answer that says that it gives none. */
const REFUSAL =
  /\b(?:(?:cannot|can ?not|can['’]t|unable to|(?:not|im)possible to|difficult to)(?: be)?(?: \w+ly)? (?:determin|tell|answer|assist|help|identif|say|conclude|comply)\w*|none of (?:these|the|them)|(?:not|n['’]t) (?:enough|sufficient)|insufficient|no (?:correct|suitable|right) (?:answer|option)|not (?:listed|among the)|i['’]m sorry|i apologi[sz]e)/i;

/** The sentence around a place, on one line. */
function sentenceAt(plain: string, at: number): string {
  const from = sentenceStart(plain, Math.max(0, at - 1));
  const rest = plain.slice(from).trimStart();
  const end =
    /^[\s\S]*?(?:[.!?](?=\s|$)|[。！？।]|\n|$)/.exec(rest.slice(Math.max(0, at - from - 1)))?.[0] ?? '';
  return rest
    .slice(0, Math.max(0, at - from - 1) + end.length)
    .replace(/\s+/g, ' ')
    .trim();
}

/** @returns null when the text names no option, or several of equal rank. */
export function readAnswer(text: string, options: readonly string[]): Answer | null {
  const { option, rule } = readText(text, options);
  return option === null ? null : { option, stated: rule as Stated };
}

/** @returns 0-based option index of {@link readAnswer}, or null. */
export function predictedAnswer(text: string, options: readonly string[]): number | null {
  return readAnswer(text, options)?.option ?? null;
}

function candidateOf(reply: Reply, plain: string, choices: Choices): Candidate | undefined {
  const stated = fieldIn(reply.fields, choices) ?? statedIn(plain, choices);
  if (typeof stated?.index === 'number') return stated;
  // "None of these. If we must choose, the most plausible is E."
  if (stated) return leaning(plain, choices, stated.at) ?? stated;
  return (
    listIn(plain, choices) ??
    bareLine(plain, choices) ??
    pointerIn(plain, choices) ??
    leaning(plain, choices, 0) ??
    onlyMention(plain, choices)
  );
}

/** The option that the text leans to behind `from`. */
function leaning(plain: string, choices: Choices, from: number): Candidate | undefined {
  const found = leaningIn(plain.slice(from), choices);
  if (!found || isCounterfactual(sentenceAt(plain, from + found.at + 1))) return undefined;
  return { at: from + found.at, index: found.index, stated: 'leaning' };
}

/** The answer that a reply states explicitly, by rules 1 to 4. */
export function statedAnswer(reply: Reply, choices: Choices): number | null {
  const found = fieldIn(reply.fields, choices) ?? statedIn(plainText(reply.spoken), choices);
  return typeof found?.index === 'number' ? found.index : null;
}

/** One sentence of a reply, by itself. */
export class Sentence {
  private readonly plain: string;
  private readonly cues: Cues[];

  constructor(
    text: string,
    private readonly choices: Choices,
  ) {
    this.plain = plainText(text).trim();
    this.cues = cuesIn(this.plain);
  }

  /** Whether it states an answer, by rules 2 to 4. A hedge counts as a statement. */
  statesAnswer(): boolean {
    return statedIn(this.plain, this.choices, this.cues) !== undefined || this.letter() !== undefined;
  }

  /** The option whose letter is all that it holds. */
  private letter(): number | undefined {
    const letter = /^[([⟦]*([A-Z])[)\]⟧]*[.?!。]*$/.exec(this.plain)?.[1];
    return letter === undefined ? undefined : this.choices.ofLetter(letter);
  }

  /** Whether it opens with an option's letter as a label: "C. pick up the ball". */
  isLabelled(): boolean {
    const letter = /^[-*•>\s]*[([⟦]*([A-Z])[)\]⟧]*(?:[.:)。、]|$)/.exec(this.plain)?.[1];
    return letter !== undefined && this.choices.ofLetter(letter) !== undefined;
  }

  /** Whether it ends where an answer would begin: "The answer is:", `### Antwort`. */
  announcesAnswer(): boolean {
    return this.cues.some(({ headers: forms, statement }) =>
      [...forms, statement].some((form) =>
        [...this.plain.matchAll(form)].some((match) => match.index + match[0].length === this.plain.length),
      ),
    );
  }

  /** Whether it points at the option, by rules 6 to 8 or by its place, "the third option". */
  pointsAt(option: number): boolean {
    const { plain, choices } = this;
    return (
      choices.mentions(plain).some((mention) => mention.index === option) ||
      choices.whole(plain) === option ||
      pointers(plain, choices, this.cues).some((candidate) => candidate.index === option) ||
      placesIn(plain, choices).includes(option)
    );
  }
}

/** An option, or what stands in its place. */
type Named = number | 'several' | 'beyond' | 'refusal';

interface Candidate {
  /** Place in the plain text, behind the cue. */
  at: number;
  index: Named;
  stated: Stated;
}

const last = (found: Candidate[]): Candidate | undefined =>
  found.length === 0 ? undefined : found.reduce((best, next) => (next.at >= best.at ? next : best));

function statedIn(plain: string, choices: Choices, cues = cuesIn(plain)): Candidate | undefined {
  const header = last(headers(plain, choices, cues));
  // A later statement corrects a header: "Answer: B ... On reflection, the correct answer is C."
  if (header) return last(corrections(plain.slice(header.at), choices, header.at)) ?? header;
  for (const kind of [statements, conclusions]) {
    const found = last(kind(plain, choices, cues));
    if (found) return found;
  }
  return undefined;
}

/** "Correction: C", "wait, it is C", "the correct answer is C": what overrides an answer above it. */
const CORRECTION =
  /\b(?:correction|actually|i mean|scratch that|on second thoughts?|(?:up)?on (?:further |closer )?(?:reflection|inspection|consideration|review)|wait|no)\b[\s,:;.—–-]+(?:(?:it|that|this)(?:['’]s| is| should be| must be)|(?:the|my) (?:\w+ )?(?:answer|option|choice)(?: is| should be| must be)?)?[\s:]*/gi;

function corrections(plain: string, choices: Choices, offset: number): Candidate[] {
  const found = [
    ...named(plain, CORRECTION, choices, ENGLISH_CUES, 'letter'),
    ...named(plain, FINAL, choices, ENGLISH_CUES, 'letter'),
    ...named(plain, RECONSIDERED, choices, ENGLISH_CUES, 'letter'),
  ];
  return found.flatMap((one) =>
    typeof one.index === 'number' ? [{ ...one, at: one.at + offset, stated: 'phrase' as const }] : [],
  );
}

/** "Wait, looking at the last frame again, the answer is C": words between may neither deny nor suppose. */
const RECONSIDERED =
  /\b(?:correction|actually|wait|hmm+|on second thoughts?|(?:up)?on (?:further |closer )?(?:reflection|inspection|consideration|review))\s*(?:[,:;.—–-]|\.\.\.|…)(?:(?!\b(?:if|unless|whether|why|how|not?|some\w*|one|would|could|might)\b|n['’]t)[^.!?\n]){0,80}?\b(?:the|my) (?:\w+ )?(?:answer|option|choice) (?:is|must be|should be)[\s:]*/gi;

const FINAL =
  /\b(?:the|my) (?:(?:correct|right|final|best|actual) )+(?:answer|option|choice) (?:is|would be|should be)(?: therefore| thus| actually)?[\s:]*/gi;

function fieldIn(fields: string[], choices: Choices): Candidate | undefined {
  const found = fields.flatMap((value): Named[] => {
    const plain = plainText(value).trim();
    const letter = choices.letterAt(plain)?.option;
    const index = choices.whole(plain) ?? (typeof letter === 'number' ? letter : choices.textAt(plain));
    if (index !== undefined) return [index];
    if (letter !== undefined) return [letter === 'two' ? 'several' : 'beyond'];
    if (/^\d+$/.test(plain)) return [Number(plain) < choices.texts.length ? Number(plain) : 'beyond'];
    const stated = statedIn(plain, choices);
    return stated ? [stated.index] : [];
  });
  if (found.length === 0) return undefined;
  return { at: 0, index: agreed(found), stated: 'field' };
}

/** The one that all of them name. */
const agreed = (found: readonly Named[]): Named =>
  found.every((one) => one === found[0]) ? (found[0] as Named) : 'several';

const TAG = new RegExp(`<${ANSWER_TAG}>\\s*`, 'gi');

function headers(plain: string, choices: Choices, cues: Cues[]): Candidate[] {
  const found = cues.flatMap((language) =>
    language.headers.flatMap((cue) => named(plain, cue, choices, language, 'header')),
  );
  found.push(...named(plain, TAG, choices, cues[0] as Cues, 'header'));
  return [...found, ...boxes(plain, choices)];
}

/** "Answer: B? No, C." asks. */
const ASKED_AND_DENIED = /^[(⟦]?[A-Z][)⟧]?\s*\?+\s*(?:no|nope|not)\b/i;

/** Boxes that name an option. Several within one sentence count as one: the last, or null when they differ. */
function boxes(plain: string, choices: Choices): Candidate[] {
  const found: Candidate[] = [];
  let end = 0;
  for (const box of plain.matchAll(BOX)) {
    const inner = box[1] as string;
    const letter = choices.letterAt(inner)?.option;
    const index = choices.whole(inner) ?? (letter === 'two' ? 'several' : letter) ?? choices.textAt(inner);
    if (index === undefined || index === 'beyond' || /\bnot\s+$/i.test(plain.slice(0, box.index))) continue;
    const before = found.at(-1);
    const together = before && !/[.!?。\n]/.test(plain.slice(end, box.index));
    found.push({
      at: box.index,
      index: together && before.index !== index ? 'several' : index,
      stated: 'boxed',
    });
    end = box.index + box[0].length;
  }
  return found;
}

function statements(plain: string, choices: Choices, cues: Cues[]): Candidate[] {
  return cues.flatMap((language) => [
    ...named(plain, language.statement, choices, language, 'phrase'),
    ...[language.bare, language.bareEnd, language.bareNot, language.choose].flatMap((cue) =>
      cue ? named(plain, cue, choices, language, 'letter') : [],
    ),
    ...letterVerdicts(plain, choices, language),
    ...textVerdicts(plain, choices, language),
  ]);
}

/**
 * Options named right after a cue, by letter or, unless only letters count, by their own words. "not A but C" names C.
 */
function named(
  plain: string,
  cue: RegExp,
  choices: Choices,
  language: Cues,
  kind: 'header' | 'phrase' | 'letter',
): Candidate[] {
  const found: Candidate[] = [];
  for (const match of plain.matchAll(cue)) {
    const at = match.index + match[0].length;
    const before = plain.slice(Math.max(0, match.index - 60), match.index);
    if (language.other.test(before) || doubted(before, language)) continue;
    if (language.notBefore.test(before) || isCounterfactual(sentenceAt(plain, at))) continue;
    if (ASKED_AND_DENIED.test(plain.slice(at, at + 20))) continue;
    const denied = language.not.test(match[0]) || match.groups?.not !== undefined;
    const article = ARTICLE.exec(match[0])?.[0] ?? '';
    const texts = kind === 'letter' ? false : { article };
    const index = optionAt(plain.slice(at, at + 400), choices, language, denied, texts);
    if (index !== undefined) found.push({ at, index, stated: kind === 'header' ? 'header' : 'phrase' });
  }
  return found;
}

/** "D or E is right" names two. */
const LISTED_BEFORE = /(?<![\p{L}\p{N}])[A-Z][)⟧]?\s+(?:or|and)\s+[(⟦]?\s*$/u;

const ARTICLE = /\b(?:the|an?)\s+$/i;

function optionAt(
  tail: string,
  choices: Choices,
  language: Cues,
  denied: boolean,
  texts: { article: string } | false,
): Named | undefined {
  const not = language.notAhead.exec(tail)?.[0];
  if (
    not !== undefined &&
    choices.textAt(tail) === undefined &&
    choices.letterAt(tail, language) === undefined
  ) {
    const refused =
      language.none.test(tail) && choices.letterAt(tail.slice(not.length), language) === undefined;
    return refused && texts ? 'refusal' : optionAt(tail.slice(not.length), choices, language, true, false);
  }
  const letter = choices.letterAt(tail, language);
  if (denied || (letter && language.notBehind.test(letter.after))) {
    return letter && instead(letter, choices, language);
  }
  if (letter) return namedBy(letter);
  if (!texts) return choices.ordinalAt(tail);
  const index = choices.textAt(tail, texts.article) ?? choices.ordinalAt(tail);
  return index ?? (language.none.test(tail.replace(/^[\s:*]+/, '')) ? 'refusal' : undefined);
}

const namedBy = ({ option }: FoundLetter): Named => (option === 'two' ? 'several' : option);

/** The option named instead of a denied one. */
function instead(denied: FoundLetter, choices: Choices, language: Cues): Named | undefined {
  const behind = denied.after.replace(language.notBehind, '');
  const but = language.but.exec(behind)?.[0] ?? (behind === denied.after ? undefined : '');
  const rest = but === undefined ? undefined : behind.slice(but.length).replace(/^[\s,，、]+/, '');
  const next = rest === undefined ? undefined : choices.letterAt(rest, language);
  return next && namedBy(next);
}

/** "Option C is the most appropriate", "(C) is correct", "option C as the answer". */
function letterVerdicts(plain: string, choices: Choices, language: Cues): Candidate[] {
  const found: Candidate[] = [];
  language.letterVerdicts.forEach((form, i) => {
    for (const match of plain.matchAll(form)) {
      const letter = match[1] as string;
      const index = choices.ofLetter(letter);
      if (index === undefined || letter > 'Z' || language.not.test(match[0])) continue;
      if (language.notBehind.test(plain.slice(match.index + match[0].length))) continue;
      if (doubted(plain.slice(Math.max(0, match.index - 60), match.index), language)) continue;
      if (isCounterfactual(sentenceAt(plain, match.index + match[0].length))) continue;
      if (LISTED_BEFORE.test(plain.slice(Math.max(0, match.index - 20), match.index + 1))) continue;
      // "option A, but C is correct": the verdict belongs to the letter next to it.
      if (/(?<![\p{L}\p{N}])[B-Z](?![\p{L}\p{N}'’])/u.test(match[2] as string)) continue;
      // "E é a resposta" may begin with "and"; "A é a resposta" begins with no word.
      const word = language !== ENGLISH_CUES && letter !== 'A' && language.words.includes(letter);
      if (i === 1 && word) continue;
      found.push({ at: match.index + match[0].length, index, stated: 'phrase' });
    }
  });
  return found;
}

/** "The blanket is the correct answer." */
function textVerdicts(plain: string, choices: Choices, { textVerdict, not }: Cues): Candidate[] {
  const found: Candidate[] = [];
  for (const match of textVerdict ? plain.matchAll(textVerdict) : []) {
    const index = not.test(match[0]) ? undefined : choices.endingAt(plain.slice(0, match.index));
    if (index !== undefined) found.push({ at: match.index + match[0].length, index, stated: 'phrase' });
  }
  return found;
}

const ARROW_OR_HEADING = /[=-]>|→|#{1,6}\s*conclusion\b|(?:^|[.!?])\s*conclusion\s*:/gim;

/** Models mix English into every language, and forms of some look like English. */
function doubted(before: string, language: Cues): boolean {
  // A capital opens a sentence, whether or not the one before it came to its end.
  if (/(?:^|\s)The\s+$/.test(before)) return false;
  return language.doubtBefore.test(before) || ENGLISH_CUES.doubtBefore.test(before);
}

/** Options in the sentence that follows "therefore", "in conclusion" and the like, or a bare letter that ends it. */
function conclusions(plain: string, choices: Choices, cues: Cues[]): Candidate[] {
  const found: Candidate[] = [];
  for (const language of cues) {
    const forms = language === cues[0] ? [language.so, ARROW_OR_HEADING] : [language.so];
    for (const cue of forms.flatMap((form) => [...plain.matchAll(form)])) {
      const at = cue.index + cue[0].length;
      const tail = plain.slice(at);
      const sentence = /^[\s:：]*[^.!?。！？।\n]*/.exec(tail)?.[0] ?? '';
      if (language.not.test(sentence) && language.not.test(choices.withoutOwnTexts(sentence))) continue;
      const letters = new Set(choices.mentions(sentence).map((mention) => mention.index));
      const end = ending(tail, choices);
      if (end !== undefined) letters.add(end);
      if (letters.size > 0) {
        found.push({
          at,
          index: agreed([...letters]),
          stated: 'conclusion',
        });
      }
    }
  }
  return found;
}

/** The option whose letter is here and ends the sentence: ", C.", ": (C)", " C. pick up the ball". */
function ending(tail: string, choices: Choices): number | undefined {
  const match =
    /^[\s,:：，、]*[([⟦]?([A-Z])[)\]⟧]?(?:[^\S\n]*(?:$|[\n!?。！？])|[^\S\n]*[.:)][^\S\n]*([^\n]*))/.exec(
      tail,
    );
  const index = match ? choices.ofLetter(match[1] as string) : undefined;
  if (!match || index === undefined) return undefined;
  const rest = match[2] ?? '';
  const own = plainText(rest).trim() === '' || /^\P{Ll}/u.test(rest);
  return own || choices.textAt(rest) === index ? index : undefined;
}

function listIn(plain: string, choices: Choices): Candidate | undefined {
  const right = new Set(
    verdictsIn(plain, choices).flatMap((verdict) => (verdict.right ? [verdict.index] : [])),
  );
  if (right.size === 0) return undefined;
  return { at: 0, index: agreed([...right]), stated: 'list' };
}

/**
 * A last or first line that is only `C`, `(C)`, `C: The blanket` or an option's text; what follows the last full stops, if
 * it is that; or the one line of the text that is only an option's letter, perhaps with its text.
 */
function bareLine(plain: string, choices: Choices): Candidate | undefined {
  const lines = [...plain.matchAll(/[^\n]*\S[^\n]*/g)];
  const line = (at: number, beside: number) => {
    const [one, other] = [lines.at(at), lines.at(beside)];
    // An option among options that are repeated is no answer.
    if (!one || (lines.length > 1 && other && isOther(one[0], other[0], choices))) return undefined;
    return { at: one.index as number, text: one[0] };
  };
  const found = [line(-1, -2), ...lastSentences(plain, choices), line(0, 1)];
  for (const each of found) {
    const index = each && choices.whole(each.text);
    if (index !== undefined) return { at: each!.at + each!.text.length, index, stated: 'line' };
  }
  const only = lines.length === 1 ? choices.paraphrased(plain.trim()) : undefined;
  if (only !== undefined) return { at: plain.length, index: only, stated: 'line' };
  const labelled = lines.flatMap((each) => {
    const index = LABEL.test(each[0].trim()) ? choices.whole(each[0]) : undefined;
    return index === undefined ? [] : [{ at: (each.index as number) + each[0].length, index }];
  });
  const [first] = labelled;
  if (!first || labelled.some(({ index }) => index !== first.index)) return undefined;
  return { ...first, stated: 'line' };
}

/** Whether both lines are options with their letters, and not the same. */
function isOther(line: string, other: string, choices: Choices): boolean {
  if (!LABEL.test(line.trim()) || !LABEL.test(other.trim())) return false;
  const [one, two] = [choices.whole(line), choices.whole(other)];
  return one !== undefined && two !== undefined && one !== two;
}

const LABEL = /^[([⟦]*[A-Z][)\]⟧]*(?:\.|$|\s*[.:),–—-])/;

/** The ends of the last line that open with a letter behind a full stop: "She kneels. C. tie the shoe." */
function lastSentences(plain: string, choices: Choices): { at: number; text: string }[] {
  const text = plain.trimEnd();
  const from = text.lastIndexOf('\n') + 1;
  const starts = [...text.slice(from).matchAll(/(?:[^.!?。！？।\s][)\]]?[.!?。！？।]|⟧)\s*(?=[([⟦]*[A-Z])/g)];
  return starts.slice(-3).flatMap((start) => {
    const at = from + start.index + start[0].length;
    const tail = text.slice(at);
    // "The options are A. B. C."
    const listed = /(?<![\p{L}\p{N}])[A-Z]\.\s*$/u.test(text.slice(0, at));
    return listed || !LABEL.test(tail) || choices.whole(tail) === undefined ? [] : [{ at, text: tail }];
  });
}

/** "C it is", "C fits best", "this makes C the best choice", "not B but C". */
const LOOSE = [
  /(?:^|[.!?]\s)\W*(?:prediction|response|selection|pick|output)\s*:\s*\(?([A-Z])(?=\)?\s*[,;|])/gim,
  /\bnot\s+(?:option\s+)?\(?[A-Z]\)?,?\s+but\s+(?:rather\s+)?(?:option\s+)?\(?([A-Z])(?=\)?\s*(?:[.,;!]|$))/gi,
  /^\s*([A-Z])\s+(?:it is|fits|matches)\b/gm,
  /^\s*([A-Z])(?: because|, (?:because|since))\b/g,
  /\bmak(?:es|ing)\s+([A-Z])\b(?=\s+the\b)/g,
];

/** A letter that a question ends with. */
const ASKED = /^[\s,:]*[(⟦]?[A-Z][)⟧]?\s*[?？]/;

function pointers(plain: string, choices: Choices, cues: Cues[]): Candidate[] {
  const found: Candidate[] = [];
  const push = (at: number, index: number | undefined) => {
    if (index !== undefined) found.push({ at, index, stated: 'pointer' });
  };
  for (const language of cues) {
    for (const cue of plain.matchAll(language.points)) {
      const at = cue.index + cue[0].length;
      const index = ending(plain.slice(at), choices);
      const before = plain.slice(Math.max(0, cue.index - 60), cue.index);
      if (ASKED.test(plain.slice(at, at + 20))) continue;
      if (index === undefined || language.other.test(before) || doubted(before, language)) continue;
      if (
        !language.doubt.test(cue[0]) &&
        !denies(
          plain.slice(Math.max(sentenceStart(plain, cue.index), plain.lastIndexOf(';', cue.index) + 1), at),
        )
      )
        push(at, index);
    }
  }
  for (const form of LOOSE) {
    for (const match of plain.matchAll(form)) push(match.index, choices.ofLetter(match[1] as string));
  }
  return found;
}

function pointerIn(plain: string, choices: Choices): Candidate | undefined {
  const found = pointers(plain, choices, cuesIn(plain));
  return found.every((one) => one.index === found[0]?.index) ? found[0] : undefined;
}

/** Options pointed at by their place, "the third option", or by a small letter, "option c". */
function placesIn(plain: string, choices: Choices): number[] {
  const places = [...plain.matchAll(/\b(?=(?:first|second|third|fourth|fifth)\s+option\b)/gi)].map((match) =>
    choices.ordinalAt(plain.slice(match.index)),
  );
  // "Option a" may be an article's.
  const small = [...plain.matchAll(/\boption\s+([b-z])\b/gi)].map((match) =>
    choices.ofLetter(match[1] as string),
  );
  return [...places, ...small].filter((index) => index !== undefined);
}

function sentenceStart(plain: string, at: number): number {
  return Math.max(...['. ', '\n', '。', '！', '？', '।'].map((mark) => plain.lastIndexOf(mark, at))) + 1;
}

function onlyMention(text: string, choices: Choices): Candidate | undefined {
  const plain = choices.withoutOwnTexts(text);
  const letters = new Set<number>();
  const counts = new Map<number, boolean>();
  for (const { index, at } of choices.mentions(plain)) {
    const from = sentenceStart(plain, at);
    if (!counts.has(from)) {
      const sentence = /^[^.!?。！？।\n]*[?？]?/.exec(plain.slice(from).trimStart())?.[0] ?? '';
      const against = denies(sentence) || speaksAgainst(sentence) || isCounterfactual(sentence);
      counts.set(from, !against && !/[?？]$/.test(sentence));
    }
    if (counts.get(from)) letters.add(index);
    if (letters.size > 1) return undefined;
  }
  return letters.size === 1 ? { at: 0, index: [...letters][0] as number, stated: 'mention' } : undefined;
}
