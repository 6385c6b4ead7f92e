/** The product's reading of the teacher's steps, which takes every one of them for known. */
import { factsOf } from '../../src/shapes/language.js';
import type { Clip } from '../../src/shapes/scene.js';
import { type Clause, FOUR_FRAMES, clausesOf as read } from '../../src/shapes/stepTruth.js';

/**
 * The clauses of one step about four frames, in order.
 *
 * @throws Error for a sentence of no known form.
 */
export function clausesOf(clip: Clip, step: string, question: string): Clause[] {
  if (!/^[A-Z][^.]*\.$/.test(step)) throw new Error(`no sentence: ${step}`);
  const clauses = read(step, { facts: factsOf(clip), question, beats: FOUR_FRAMES });
  if (!clauses) throw new Error(`no known form: ${step}`);
  return clauses;
}
