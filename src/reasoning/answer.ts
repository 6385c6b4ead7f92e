import { Choices, plainText } from './choices.js';

/**
 * The option a teacher chose, read from its free text: the paper's predicted answer, which decides between Correct
 * and Incorrect Reasoning (section 3.1).
 *
 * Tried in this order; of several mentions of a kind the last counts, since it is the final word:
 * 1. a header: `###Answer: C`, `**Answer**: (C)`, `Final answer: The blanket`;
 * 2. a statement: "the correct answer is C", "(C) is correct", "option C is the best choice", "I choose C";
 * 3. a conclusion: "Therefore, option C", `###Conclusion: ... option C`;
 * 4. a last or first line that is nothing but a letter or an option;
 * 5. the one option that the whole text refers to by letter without denying it.
 *
 * Negated statements do not count ("option A is not correct"), nor does an article ("the answer is A person" means
 * an option's text, or nothing). A hedge ("A or B") in the last statement means no answer.
 *
 * @returns 0-based option index, or null when the text names none.
 */
export function predictedAnswer(text: string, options: readonly string[]): number | null {
  const plain = plainText(text);
  const choices = new Choices(options);
  const explicit = explicitIn(plain, choices);
  return explicit === undefined ? (onlyMention(plain, choices) ?? null) : explicit;
}

/** Rules 1 to 3 of {@link predictedAnswer}: what the text says in so many words. */
export function statedAnswer(text: string, choices: Choices): number | null {
  return statedIn(plainText(text), choices) ?? null;
}

/** Whether this piece of text states an answer, by the same rules. A hedge counts as a statement. */
export function statesAnswer(text: string, choices: Choices): boolean {
  return statedIn(plainText(text), choices) !== undefined;
}

/** An index, 'null' for a hedge, undefined when nothing of the kind is there. */
type Found = number | null | undefined;

interface Candidate {
  at: number;
  index: number | null;
}

const NEGATION = /\b(?:not|never|neither|nor|cannot|no|\w+n['’]t|incorrect|wrong|unlikely)\b/i;
/** What may stand between the article and the noun of "the most likely answer". */
const GRADE =
  '(?:(?:most|more)\\s+\\w+|correct|right|best|final|accurate|appropriate|true|likely|only|logical)';
const GRADED = `(?:${GRADE}\\s+)*`;
/** Adjectives that turn "... answer is C" into a remark about something else. */
const OTHER = /\b(?:other|next|first|second|third|fourth|another|each|incorrect|wrong|possible|every)\s*$/i;

/** Both end where a header begins to name its option. */
const HEADERS = [
  new RegExp(`#{1,6}\\s*(?:the\\s+|my\\s+)?${GRADED}answer\\b\\s*(?:is\\b|[:：=\\-–—])?\\s*`, 'gi'),
  new RegExp(
    `(?:^|(?<=[.!?)]))[ >•-]*(?:the\\s+|my\\s+)?${GRADED}(?:answer|choice)(?:\\s*[:：=]|\\s+[-–—]+(?=\\s))\\s*`,
    'gim',
  ),
  /<answer>\s*/gi,
];

/** "the correct answer (to the question) is", ending where the option begins. */
const STATEMENT = new RegExp(
  `\\b(?:${GRADED}(?:answer|option|choice)|${GRADE}\\s+one)` +
    '(?:\\s+(?:to|for|here|among|from|based|given|in|that)\\b[^.!?\\n]{0,60}?)?' +
    '\\s*(?:\\b(?:is|are|was|would be|should be|must be|has to be|seems to be|appears to be|will be)\\b|[:：])' +
    '(?:\\s+(?:most likely|likely|clearly|therefore|thus|indeed|probably|definitely|that))*\\s*[:：]?\\s*',
  'gi',
);

/** "I choose", "this corresponds to": followed by a letter only, since people in videos pick things too. */
const CHOICE =
  /\b(?:choose|chose|select|selected|pick|picked|go with|conclude|concluded|(?:corresponds|points|leads|matches) (?:to|with)|matches|aligns with)\s+(?:that\s+)?/gi;

const VERDICT = `(?:is|as|being|would be|seems|appears|remains|to be)\\s+(?:indeed\\s+|clearly\\s+)?(?:the\\s+)?(?:${GRADE}|answer)\\b`;
const LETTER_VERDICTS = [
  new RegExp(
    `\\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\\s*\\(?([A-Z])\\)?(?![\\w'])([^.!?\\n]{0,100}?)\\b${VERDICT}`,
    'g',
  ),
  new RegExp(`(?:^|[\\s(,])([A-Z])\\)?(?![\\w'])()\\s+${VERDICT}`, 'gm'),
];
const TEXT_VERDICT = new RegExp(
  `\\s(?:is|was|would be)\\s+(?:indeed\\s+|clearly\\s+)?(?:the\\s+)?(?:${GRADE}\\s+)+(?:answer|option|choice|one)\\b`,
  'gi',
);

const CONCLUSION =
  /\b(?:therefore|thus|hence|consequently|overall|in conclusion|in summary|to conclude)\b|\bso,|#{1,6}\s*conclusion\b|^\s*conclusion\s*:/gim;

function explicitIn(plain: string, choices: Choices): Found {
  const stated = statedIn(plain, choices);
  return stated === undefined ? bareLine(plain, choices) : stated;
}

function statedIn(plain: string, choices: Choices): Found {
  const kinds = [headers, statements, conclusions];
  for (const kind of kinds) {
    const found = kind(plain, choices);
    if (found.length > 0) return found.reduce((last, next) => (next.at >= last.at ? next : last)).index;
  }
  return undefined;
}

function headers(plain: string, choices: Choices): Candidate[] {
  return HEADERS.flatMap((cue) => named(plain, cue, choices, true));
}

function statements(plain: string, choices: Choices): Candidate[] {
  return [
    ...named(plain, STATEMENT, choices, true),
    ...named(plain, CHOICE, choices, false),
    ...letterVerdicts(plain, choices),
    ...textVerdicts(plain, choices),
  ];
}

/** Options named right after a cue, by letter or (if `texts`) by their own words. */
function named(plain: string, cue: RegExp, choices: Choices, texts: boolean): Candidate[] {
  const found: Candidate[] = [];
  for (const match of plain.matchAll(cue)) {
    const at = match.index + match[0].length;
    const before = plain.slice(Math.max(0, match.index - 40), match.index);
    if (NEGATION.test(match[0]) || OTHER.test(before) || /\bnot\s+$/i.test(before)) continue;
    const tail = plain.slice(at, at + 400);
    const index = choices.letterAt(tail) ?? (texts ? choices.textAt(tail) : undefined);
    if (index !== undefined) found.push({ at, index: index === 'two' ? null : index });
  }
  return found;
}

/** "Option C is the most appropriate", "(C) is correct", "option C as the answer". */
function letterVerdicts(plain: string, choices: Choices): Candidate[] {
  const found: Candidate[] = [];
  for (const form of LETTER_VERDICTS) {
    for (const match of plain.matchAll(form)) {
      const index = choices.ofLetter(match[1] as string);
      // "option A, but C is correct": the verdict belongs to the letter next to it.
      if (index === undefined || NEGATION.test(match[0]) || /\b[B-Z]\b/.test(match[2] as string)) continue;
      found.push({ at: match.index + match[0].length, index });
    }
  }
  return found;
}

/** "The blanket is the correct answer." */
function textVerdicts(plain: string, choices: Choices): Candidate[] {
  const found: Candidate[] = [];
  for (const match of plain.matchAll(TEXT_VERDICT)) {
    const index = NEGATION.test(match[0]) ? undefined : choices.endingAt(plain.slice(0, match.index));
    if (index !== undefined) found.push({ at: match.index + match[0].length, index });
  }
  return found;
}

/** Option letters in the sentence that follows "therefore", "in conclusion" and the like. */
function conclusions(plain: string, choices: Choices): Candidate[] {
  const found: Candidate[] = [];
  for (const cue of plain.matchAll(CONCLUSION)) {
    const at = cue.index + cue[0].length;
    const sentence = /^[\s:]*[^.!?\n]*/.exec(plain.slice(at))?.[0] ?? '';
    if (NEGATION.test(sentence)) continue;
    const letters = new Set(choices.mentions(sentence).map((mention) => mention.index));
    if (letters.size > 0) found.push({ at, index: letters.size === 1 ? ([...letters][0] as number) : null });
  }
  return found;
}

/** A last or first line that is only `C`, `(C)`, `C: The blanket` or an option's text. */
function bareLine(plain: string, choices: Choices): number | undefined {
  const lines = plain.split('\n').filter((line) => line.trim() !== '');
  for (const line of [lines.at(-1), lines[0]]) {
    const index = line === undefined ? undefined : choices.whole(line);
    if (index !== undefined) return index;
  }
  return undefined;
}

function onlyMention(plain: string, choices: Choices): number | undefined {
  const letters = new Set<number>();
  for (const { index, at } of choices.mentions(plain)) {
    const from = Math.max(plain.lastIndexOf('. ', at), plain.lastIndexOf('\n', at)) + 1;
    const sentence = /^[^.!?\n]*/.exec(plain.slice(from).trimStart())?.[0] ?? '';
    if (!NEGATION.test(sentence)) letters.add(index);
  }
  return letters.size === 1 ? [...letters][0] : undefined;
}
