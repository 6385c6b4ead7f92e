/** Expressions that find answers in text, made from the words of each language. */
import { ENGLISH } from './languages/english.js';
import { alternatives, latinForms } from './languages/forms.js';
import type { Language } from './languages/language.js';
import { LANGUAGES } from './languages.js';
import { isAscii } from './plain.js';

/**
 * A language's words as expressions over plain text. All ignore case; the caller checks whether a letter is upper case.
 */
export interface Cues {
  spaced: boolean;
  /** Letters that are words of the language. */
  words: string;
  /** End where a header begins to name its option. */
  headers: RegExp[];
  /** "the correct answer (to the question) is", ending where the option begins; group `not` when it is denied. */
  statement: RegExp;
  /** "correct answer", where the language needs nothing between it and the letter. */
  bare: RegExp | undefined;
  /** "answer", followed by a letter and nothing else. */
  bareEnd: RegExp | undefined;
  /** "answer not", or "answer" followed by a letter and a negation. */
  bareNot: RegExp | undefined;
  choose: RegExp;
  /** Group 1 is a letter, group 2 the text between it and its verdict. */
  letterVerdicts: RegExp[];
  /** Behind an option's own text: "is the correct answer". */
  textVerdict: RegExp | undefined;
  so: RegExp;
  points: RegExp;
  other: RegExp;
  /** Negations anywhere, and at the end of a text that denies the words behind it. */
  doubt: RegExp;
  doubtBefore: RegExp;
  /** Anywhere; at the end; at the start; behind a letter. */
  not: RegExp;
  notBefore: RegExp;
  notAhead: RegExp;
  notBehind: RegExp;
  /** From a denied option to the beginning of the other one. */
  but: RegExp;
  /** Behind a letter: "or (letter)"; group 1 is that letter. */
  second: RegExp;
  /** Words before the letter of an option, "the correct option"; and words to skip. */
  noun: RegExp;
  fill: RegExp;
  /** Behind a letter that is no word. */
  after: RegExp;
  none: RegExp;
}

/** No letter touches it. */
const EDGE_BEFORE = '(?<![\\p{L}\\p{M}\\p{N}])';
const EDGE_AFTER = '(?![\\p{L}\\p{M}\\p{N}])';
/** Where a sentence or a line opens, with the marks of a list or a quotation. */
const OPENING = '(?:^|(?<=[.!?。！？।)]))[ >•\\-|]*';
const COLON = '[:：=]';
const LETTER = '[A-Za-z]';

/** Nouns that make another thing of a letter behind them: "vitamin C is right for him". */
export const LABELLED_NOUNS =
  'vitamins?|vitamina|vitamine|plan|camera|step|team|group|type|grade|class|row|column|point|section|figure|part|' +
  'player|person|room|building|lane|gate|exit|line|position|scene|frame|clip|video|object|box|card|key|size|note|' +
  'angles?|triangle|vertex|circle|segment|hepatitis|appendix|chapter|side|level|phase|stage|party|suspect|girl|boy|man|woman';
const LABELLED = `(?<!\\b(?:${LABELLED_NOUNS})\\s)`;

/** Of English, whose words models mix into every language. */
export const ENGLISH_CUES = compile(ENGLISH);

/** One expression for all languages but English, which most texts in English pass once. */
const FOREIGN_LANGUAGES = LANGUAGES.filter((language) => language !== ENGLISH);
const FOREIGN = new RegExp(FOREIGN_LANGUAGES.map(trigger).join('|'), 'iu');
/** The same for ASCII text in lower case: the Latin languages, without Unicode's classes, which take most of the time. */
const LATIN_LANGUAGES = FOREIGN_LANGUAGES.filter(({ answer }) => /^\w/.test(answer));
const LATIN = new RegExp(ascii(whole(LATIN_LANGUAGES[0]!, latinWords())));

/** Their words, each once: looking for a word of any language at a place is faster than for one language after another. */
function latinWords(): string {
  return [...new Set(LATIN_LANGUAGES.flatMap((language) => alternatives(triggers(language))))].join('|');
}

function ascii(source: string): string {
  return source
    .replaceAll('[\\p{L}\\p{M}\\p{N}]', '[a-z0-9]')
    .replaceAll('[A-Z]', '[a-z]')
    .replace(/\\p\{L[lu]?\}/g, '[a-z]');
}

const NEGATION = new RegExp(LANGUAGES.map((language) => whole(language, language.not)).join('|'), 'iu');

/** The same for ASCII text in lower case. */
const LATIN_NEGATION = new RegExp(
  ascii(whole(ENGLISH, [...new Set(latinForms(LANGUAGES.map(({ not }) => not)))].join('|'))),
);

/** Made when first needed: several hundred expressions take a third of a second. */
const made = new Map<Language, { trigger: RegExp; ascii: RegExp; cues?: Cues }>();

let lastRead = '';
let lastFound: readonly Cues[] = [ENGLISH_CUES];

/** The languages with a cue in `plain`; English comes first and is always there. */
export function cuesIn(plain: string): readonly Cues[] {
  // Several rules read the same text one after another.
  if (plain !== lastRead) [lastRead, lastFound] = [plain, languagesIn(plain)];
  return lastFound;
}

function languagesIn(plain: string): Cues[] {
  const lower = plain.replace(/[‘’“”–—…]/g, "'").toLowerCase();
  const latin = isAscii(lower);
  if (latin ? !LATIN.test(lower) : !FOREIGN.test(plain)) return [ENGLISH_CUES];
  const found = [ENGLISH_CUES];
  for (const language of latin ? LATIN_LANGUAGES : FOREIGN_LANGUAGES) {
    const entry = made.get(language) ?? {
      trigger: new RegExp(trigger(language), 'iu'),
      ascii: new RegExp(ascii(trigger(language))),
    };
    made.set(language, entry);
    if (latin ? !entry.ascii.test(lower) : !entry.trigger.test(plain)) continue;
    entry.cues ??= compile(language);
    found.push(entry.cues);
  }
  return found;
}

/** Whether `plain` has a negation of any language. */
export function denies(plain: string): boolean {
  return isAscii(plain) ? LATIN_NEGATION.test(plain.toLowerCase()) : NEGATION.test(plain);
}

/** `field` as whole words; matches nothing when it is empty. */
function whole({ spaced }: Language, field: string): string {
  if (field === '') return '(?!)';
  return spaced ? `${EDGE_BEFORE}(?:${field})${EDGE_AFTER}` : `(?:${field})`;
}

/** A test that every text with a cue other than a negation passes. */
function trigger(language: Language): string {
  return whole(language, triggers(language));
}

function triggers({ answer, choice, option, choose, right, so, points }: Language): string {
  return [answer, choice, option, choose, right, so, points].filter((field) => field !== '').join('|');
}

function compile(words: Language): Cues {
  const { spaced } = words;
  const before = spaced ? EDGE_BEFORE : '';
  const after = spaced ? EDGE_AFTER : '';
  const any = (field: string) => whole(words, field);
  const of = (source: string, flags = 'iu') => new RegExp(source, flags);
  // Arabic joins "and" and "so" to the word behind them.
  const lead = spaced ? `(?:${EDGE_BEFORE}|(?<=${EDGE_BEFORE}[وف]))` : '';
  const grade = `(?:(?:${words.grade})${after}\\s*)`;
  const graded = (noun: string, count: string) => `${grade}${count}(?:${noun})${after}(?:\\s*${grade})`;
  const nouns = `${words.answer}|${words.choice}`;
  const is = `(?:${words.is})${after}`;
  const fill = `(?:\\s*(?:${words.fill})${after})*`;
  const not = `(?:(?:${words.not})\\s*)`;
  const complement =
    words.of === ''
      ? ''
      : `(?:,?\\s+(?:${words.of})${after}[^.!?。\\n]{0,60}?(?:[^.!?。\\n]{0,60}\\?)?(?<!${spaced ? '\\p{L}' : '^'}),?)?`;
  // "The answer (yes or no) is": a list in brackets, not a letter.
  const aside = '(?:\\s*\\((?=[^()\\n]*[\\s,/])[^()\\n]{1,40}\\))?';
  const header = `(?:(?:${words.fill}|my)${after}\\s*)?${graded(words.answer, '*')}*`;
  const lineHeader = `(?:(?:${words.fill}|my)${after}\\s*)?${graded(nouns, '*')}*`;
  const option = `(?:${words.option})`;
  return {
    spaced,
    words: words.words,
    headers: [
      of(`#{1,6}\\s*${header}\\s*(?:${is}|[:：=\\-–—])?\\s*`, 'giu'),
      of(`${OPENING}${lineHeader}(?:\\s*${COLON}|\\s+[-–—]+(?=\\s))\\s*`, 'gimu'),
    ],
    statement: of(
      `${lead}${graded(nouns, '*')}*${complement}${aside}\\s*(?:(?<not>${not})?${is}|${COLON}|\\s[-–—](?=\\s))${fill}\\s*${COLON}?\\s*`,
      'giu',
    ),
    bare: words.bare
      ? of(`${lead}(?:${graded(nouns, '+')}*|(?:${nouns})${after}(?:\\s*${grade})+)\\s*`, 'giu')
      : undefined,
    bareEnd: words.bare
      ? of(`${lead}(?:${nouns})${after}\\s*(?=[(（]?${LETTER}[)）]?\\s*[.。!！]?\\s*(?:\\n|$))`, 'giu')
      : undefined,
    bareNot: words.bare
      ? of(
          `${lead}${graded(nouns, '*')}*\\s*(?:(?<not>${not})|(?=[(⟦]?${LETTER}[)⟧]?[^\\S\\n]*(?:${words.notAfter})))`,
          'giu',
        )
      : undefined,
    choose: words.choose === '' ? of('(?!)', 'giu') : of(`${any(words.choose)}${fill}\\s*`, 'giu'),
    letterVerdicts: [
      of(
        `${before}${option}\\s*\\(?(${LETTER})\\)?(?![\\w'])([^.!?。！？\\n]{0,100}?)${any(words.right)}`,
        'gu',
      ),
      of(
        `${spaced ? `(?:^|[\\s(,;|])${LABELLED}` : '(?<![A-Za-z0-9])'}(${LETTER})\\)?(?![\\w'])()\\s*${any(words.right)}`,
        'gmu',
      ),
    ].map((form) => of(form.source, `${form.flags}i`)),
    textVerdict: spaced
      ? of(
          `\\s${is}\\s+${fill}\\s*(?:${grade}+(?:${nouns})|(?:${nouns})(?:\\s+(?:${words.grade}))+)${after}`,
          'giu',
        )
      : undefined,
    so: of(any(words.so), 'gimu'),
    points: of(`${any(words.points)}\\s*[:：,]?\\s*`, 'gimu'),
    other: of(`(?:${words.other})\\s*$`),
    doubt: of(any(words.doubt)),
    doubtBefore: of(
      `${before}(?:${words.doubt})${after}[\\s,，]*(?:(?:${words.fill})${after}\\s*)?(?:${option}\\s*[(⟦]?)?$`,
    ),
    not: of(any(words.not)),
    notBefore: of(`${before}(?:${words.not})\\s*$`),
    notAhead: of(`^${not}`),
    notBehind: of(`^\\)?[^\\S\\n]*(?:${words.notAfter})`),
    but: of(
      `^[^.!?。！？\\n]{0,80}?${any(words.but)}[\\s,，、:：]*(?:${is}\\s*)?(?:(?:${words.fill})${after}\\s*)*`,
    ),
    second: of(
      `^\\)?\\s*(?:[,，、/&]|${any(words.or)})\\s*(?:(?:${words.or})${after}\\s*)?(?:${option}\\s*)?[(（]?([A-Z])[)）]?(?![\\p{L}\\p{N}])`,
      'u',
    ),
    noun: of(
      `^(?:(?:${words.fill})${after}\\s*)*(?:${grade})*${option}${after}\\s*(?:(?:${words.is})\\s+)?[\\s:：(（]*`,
    ),
    fill: of(`^(?:(?:${words.fill})${after}\\s*)+(?=[(（⟦]?[A-Z](?!\\p{L}))`, 'u'),
    after: of(`^[^\\S\\n]*(?:${words.after}|${words.but})${after}`),
    none: of(`^(?:${words.none})${after}`),
  };
}
