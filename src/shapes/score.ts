/** Scores of open answers about dark and mixed clips, by the facts that they state (the marks of VersaVid-R1's judge). */
import { type Fact, factsIn, impliedBy, isSame } from './facts.js';

/**
 * DarkEventInfer: 2 when an answer tells the hidden events fully and nothing else, 1 when at least half of what it states is
 * true of them, 0 otherwise. What merely follows from them ("moved away" for "is pushed left") is true, and not full.
 *
 * @param text what the student wrote.
 * @param truth the sample's first answer.
 */
export function darkScore(text: string, truth: string): 0 | 1 | 2 {
  const hidden = factsIn(truth);
  const stated = factsIn(text);
  const allowed = [...hidden, ...hidden.flatMap(impliedBy)];
  const right = stated.filter((fact) => isAmong(fact, allowed)).length;
  if (right === 0 || 2 * right < stated.length) return 0;
  const isFull = right === stated.length && hidden.every((fact) => isAmong(fact, stated));
  return isFull ? 2 : 1;
}

/**
 * MixVidQA: 1 when an answer is an accepted one, or states something and all that it states is among them; 0 otherwise, so
 * also for one that names two possibilities.
 */
export function mixScore(text: string, answers: readonly string[]): 0 | 1 {
  if (answers.map(bare).includes(bare(text))) return 1;
  const accepted = answers.flatMap(factsIn);
  const stated = factsIn(text);
  return stated.length > 0 && stated.every((fact) => isAmong(fact, accepted)) ? 1 : 0;
}

/** Without capitals and what surrounds the words. */
function bare(text: string): string {
  return text
    .trim()
    .toLowerCase()
    .replace(/[.!?]+$/, '');
}

function isAmong(fact: Fact, facts: readonly Fact[]): boolean {
  return facts.some((other) => isSame(fact, other));
}
