/** Reads the option that a teacher chose out of its text. */
import { shortened } from '../base/values.js';
import { Choices } from './choices.js';
import { isCounterfactual, leaningIn } from './leaning.js';
import { type Reply, readReply } from './marks.js';
import { plainText, withoutAssurances } from './plain.js';
import type { Candidate, Rule, Stated } from './reading/candidate.js';
import { eliminatedIn } from './reading/eliminated.js';
import { bareLine, listIn } from './reading/lines.js';
import { lastMention, onlyMention } from './reading/mentions.js';
import { pointerIn } from './reading/pointers.js';
import { retractedAt } from './reading/retracted.js';
import { rankedIn, scoredIn } from './reading/scores.js';
import { sentenceAt } from './reading/sentenceAt.js';
import { fieldIn, statedIn } from './reading/stated.js';
import { withheldIn } from './reading/withheld.js';
import { wordedIn } from './reading/worded.js';

export type { Rule, Stated, Unread } from './reading/candidate.js';

/**
 * The option a teacher chose, read from its free text: the paper's predicted answer, which decides between Correct and
 * Incorrect Reasoning (section 3.1). It is the only reader of answers: refinement removes the same forms.
 *
 * Read outside of thinking ({@link Reply}), in this order; of several mentions of a kind the last counts, since it is
 * the final word:
 * 1. `field`: a JSON object's field, `{"answer": "C"}`: a letter, an option's text, or its 0-based index; or the one letter
 *    that an object calls true, `{"A": false, "B": true}`, or gives the highest number;
 * 2. `header`: `###Answer: C`, `**Answer**: (C)`, `Final answer: The blanket`, `<answer>C</answer>`, `答案：C`, or
 *    `boxed`: `\boxed{C}`; two boxes in one sentence are no answer unless they agree;
 * 3. `phrase`: "the correct answer is C", "(C) is correct", "option C is the best choice", "I choose C";
 * 4. `conclusion`: "Therefore, option C", "Hence, C.", `###Conclusion: ... option C`;
 * 5. `list`: the one option that a list calls right, `A ❌ B ❌ C ✅`;
 * 6. `line`: a last or first line, or a last sentence, that is nothing but a letter or an option;
 * 7. `pointer`: "it must be C", "that leaves C", at the end of a sentence, when all of them agree;
 * 8. `leaning`: "if we must choose, the most plausible is C": a clause that prefers one option, the last one; also behind
 *    a refusal or a hedge; and the highest of several probabilities, "B 20%, C 70%";
 * 9. `mention`: the one option that the whole text refers to by letter without denying it, the letter that its last
 *    sentence concludes, or the one letter left when all others are denied;
 * 10. `worded`: the option whose own words, in any form, a conclusion holds, a first sentence that the rest explains, a
 *    reply of one sentence, or the better one of two options that it compares.
 *
 * The words are those of `languages/`. Negated statements do not count ("option A is not correct"; of "not A but C" C
 * does), nor does an article ("the answer is A person" means an option's text, or nothing). A hedge ("A or B"), a
 * refusal ("none of these"), a statement taken back or a letter that no option has, as the last statement, means no answer.
 */
export interface Answer {
  /** 0-based. */
  option: number;
  stated: Stated;
}

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
  const plain = withoutAssurances(plainText(reply.spoken)).replace(ASKED, '$1Answer:');
  const choices = new Choices(options);
  const found = candidateOf(reply, plain, choices);
  if (found) {
    const { index, stated } = found;
    const words = stated === 'field' ? reply.fields.join(', ') : sentenceAt(plain, found.at);
    return typeof index === 'number'
      ? { option: index, rule: stated, words: shortened(words, MOST_WORDS) }
      : { option: null, rule: index, words: shortened(words, MOST_WORDS) };
  }
  const kept = withheldIn(plain, choices);
  if (kept)
    return { option: null, rule: kept.rule, words: shortened(sentenceAt(plain, kept.at), MOST_WORDS) };
  const spoken = /[\p{L}\p{N}]/u.test(plain) || reply.fields.length > 0;
  const thought = /[\p{L}\p{N}]/u.test(text);
  return { option: null, rule: spoken ? 'silent' : thought ? 'thinking' : 'empty', words: '' };
}

/** "Q: What does he do? A: He runs.": a transcript, whose A is no option. */
const ASKED = /(^\s*Q(?:uestion)?\s*:[^\n]*\n+\s*)A(?:nswer)?\s*:/gim;

const MOST_WORDS = 160;

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
  const field = fieldIn(reply.fields, choices);
  const stated = field ?? standing(statedIn(plain, choices), plain, choices);
  if (typeof stated?.index === 'number') return stated;
  // "None of these. If we must choose, the most plausible is E."
  if (stated) return leaning(plain, choices, stated.at) ?? stated;
  return (
    listIn(plain, choices) ??
    bareLine(plain, choices) ??
    scoredIn(plain, choices) ??
    rankedIn(plain, choices) ??
    standing(pointerIn(plain, choices), plain, choices) ??
    leaning(plain, choices, 0) ??
    onlyMention(plain, choices) ??
    lastMention(plain, choices) ??
    decided(wordedIn(plain, choices), plain, choices) ??
    eliminatedIn(plain, choices)
  );
}

/** A candidate, or what the reply says instead where it takes it back: "B. Scratch that, it is D." */
function standing(found: Candidate | undefined, plain: string, choices: Choices): Candidate | undefined {
  const from = found && retractedAt(plain, found);
  if (from === undefined) return found;
  const rest = plain.slice(from);
  const later = statedIn(rest, choices) ?? pointerIn(rest, choices);
  return later ? { ...later, at: from + later.at } : { at: from, index: 'refusal', stated: found!.stated };
}

/** Words decide nothing where letters behind them leave it open: "He pushes and stops the cart, so both A and E hold." */
function decided(worded: Candidate | undefined, plain: string, choices: Choices): Candidate | undefined {
  const open = worded && withheldIn(plain, choices);
  return open?.rule === 'several' && open.at >= worded!.at ? undefined : worded;
}

/** The option that the text leans to behind `from`. */
function leaning(plain: string, choices: Choices, from: number): Candidate | undefined {
  const found = leaningIn(plain.slice(from), choices);
  if (!found || isCounterfactual(sentenceAt(plain, from + found.at + 1))) return undefined;
  return { at: from + found.at, index: found.index, stated: 'leaning' };
}
