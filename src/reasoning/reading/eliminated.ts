/** The option that is left where a reply denies every other one by its letter: "not A, B, D or E", "B, C, D and E are out". */
import type { Choices } from '../choices.js';
import { lettersIn } from '../leaning.js';
import type { Candidate } from './candidate.js';
import { deniedLists } from './claims.js';

/** @returns undefined where two options are left, or fewer than three were there */
export function eliminatedIn(plain: string, choices: Choices): Candidate | undefined {
  const all = choices.texts.map((_, i) => i);
  if (all.length < 3) return undefined;
  const denied = new Set<number>();
  for (const { start, end } of deniedLists(plain))
    for (const { index } of lettersIn(plain.slice(start, end), choices)) denied.add(index);
  const left = all.filter((index) => !denied.has(index));
  return left.length === 1 ? { at: plain.length, index: left[0] as number, stated: 'mention' } : undefined;
}
