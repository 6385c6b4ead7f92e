/** The option that a few words are a part of, and no other one is: "The phone." for "put down the phone". */
import type { Choices } from '../choices.js';
import { comparable } from '../plain.js';
import { PLACING, rootsOf } from '../roots.js';
import { isCommon } from './spots.js';

/** More words than these say something else beside it. */
const MOST_WORDS = 4;

/**
 * @param all whether every word has to be the option's; else the last one has to be
 * @returns the one option with these words, where no other option has any of them
 */
export function partIn(words: string, choices: Choices, all: boolean): number | undefined {
  const said = rootsOf(comparable(words)).filter((root) => !PLACING.has(root));
  if (said.length === 0 || said.length > MOST_WORDS || isCommon(said)) return undefined;
  const [index, ...others] = choices.texts.flatMap((_, i) =>
    said.some((root) => choices.rootsOf(i).includes(root)) ? [i] : [],
  );
  if (index === undefined || others.length > 0) return undefined;
  const own = choices.rootsOf(index);
  const needed = all ? said : said.slice(-1);
  return needed.every((root) => own.includes(root)) ? index : undefined;
}
