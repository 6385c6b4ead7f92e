/** Why a reply that names no option names none: it refuses, weighs several, or points at an option that is not there. */
import type { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { AGAINST, lettersIn } from '../leaning.js';
import { sentencesOf } from './sentenceAt.js';

interface Withheld {
  /** Place in the plain text, behind the words that say so. */
  at: number;
  rule: 'refusal' | 'several' | 'beyond';
}

const VERBS =
  'determin|tell|answer|assist|help|identif|say|conclude|comply|know|choose|select|pick|decide|judge|view|see';
const REFUSAL = new RegExp(
  `\\b(?:(?:cannot|can ?not|can['’]t|unable to|not able to|(?:not |(?:is|was)n['’]t |im)possible to|difficult to|hard to|no way (?:to|of)|no means of)(?: be)?(?: \\w+ly)? (?:${VERBS})\\w*` +
    "|none of (?:these|the|them)|(?:not|n['’]t) (?:\\w+ ){0,3}(?:enough|sufficient)|insufficient|no (?:correct|suitable|right) (?:answer|option)" +
    "|no (?:option|answer|choice) (?:can|could|is|fits|matches|applies|seems)|not (?:listed|among the|(?:one|part) of the (?:\\w+ )?(?:options|choices))|i['’]m sorry|i apologi[sz]e)",
  'i',
);

/** "Either B or D", "A and C are both correct", "could be C, D or E". */
const WEIGHS =
  /\b(?:[Ee]ither|[Bb]oth|could|may|might|can|equally|[Bb]etween|[Pp]ossibl[ey]|[Pp]lausible|compatible|undecided)\b|(?<!\p{L})[A-Z]\)?\s*(?:[,/&]|\b(?:or|and)\b)\s*(?:or |and )?(?:option )?\(?[A-Z](?!\p{L})/u;

/** The first sentence that withholds an answer; undefined where none does. */
export function withheldIn(plain: string, choices: Choices): Withheld | undefined {
  for (const { at, text } of sentencesOf(plain)) {
    const letters = new Set(lettersIn(text, choices).map(({ index }) => index));
    const weighs = letters.size > 1 && letters.size < choices.texts.length && WEIGHS.test(text);
    if (weighs && !(denies(text) && AGAINST.test(text) && !UNDECIDED.test(text)))
      return { at: at + text.length, rule: 'several' };
  }
  if (listsSome(plain, choices)) return { at: plain.length, rule: 'several' };
  const refused = refusalAt(plain);
  if (refused !== undefined) return { at: refused, rule: 'refusal' };
  const beyond = BEYOND.exec(plain);
  const named = beyond?.[1] ?? beyond?.[2] ?? '';
  const there = /\d/.test(named)
    ? Number(named) <= choices.texts.length
    : choices.ofLetter(named) !== undefined;
  return beyond && !there ? { at: beyond.index + beyond[0].length, rule: 'beyond' } : undefined;
}

/** "B. closed the book, E. sat on the sofa": whether the reply is labelled options, several and not all, and nothing else. */
function listsSome(plain: string, choices: Choices): boolean {
  const rest = choices.withoutOwnTexts(plain);
  if (!/^(?:\W*[A-Z](?!\p{L}))+\W*$/u.test(rest)) return false;
  const letters = new Set(rest.match(/[A-Z]/g)?.filter((letter) => choices.ofLetter(letter) !== undefined));
  return letters.size > 1 && letters.size < choices.texts.length;
}

/** Place behind the words that refuse an answer. */
export function refusalAt(plain: string): number | undefined {
  const refused = REFUSAL.exec(plain);
  return refused ? refused.index + refused[0].length : undefined;
}

const UNDECIDED =
  /\b(?:(?:(?:not |im)possible|hard|difficult) to (?:decide|choose|tell)|not (?:clear|sure|certain)|unclear|apart|cannot (?:decide|choose|tell)|can['’]t (?:decide|choose|tell)|(?:does|do) ?n['’o]t (?:make|say|show))/i;

/** A letter that could be an option's, in the words of an answer. */
const BEYOND =
  /\b(?:[Aa]nswer|ANSWER|[Cc]hoice)\s*(?:is|:)\s*\(?([A-Z]|\d{1,2})(?=\W*$|[.,)]\s)|\b[Oo]ption\s+\(?([A-Z])(?![\p{L}\p{N}'’])/u;
