/** The product's reading of the teacher's steps, which takes every one of them for known. */
import { factsOf } from '../../src/shapes/language.js';
import { fourFrames } from '../../src/shapes/render.js';
import type { Clip } from '../../src/shapes/scene.js';
import { type Clause, clausesOf as read } from '../../src/shapes/stepTruth.js';

/**
 * The clauses of one step about four frames, in order.
 *
 * @throws Error for a sentence of no known form.
 */
export function clausesOf(clip: Clip, step: string, question: string): Clause[] {
  if (!/^[A-Z][^.]*\.$/.test(step)) throw new Error(`no sentence: ${step}`);
  const clauses = read(step, { facts: factsOf(clip), question, beats: fourFrames(clip) });
  if (!clauses) throw new Error(`no known form: ${step}`);
  return clauses;
}
