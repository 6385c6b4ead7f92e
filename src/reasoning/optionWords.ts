/** The words that tell a question's options apart. */
import { stemsOf } from './stems.js';

/**
 * The stems of each option that not all options have: "green" of "the green object touched it" among other colours. An
 * option of common words alone has none.
 */
export function tellingStems(options: readonly string[]): Set<string>[] {
  const stems = options.map((option) => new Set(stemsOf(option)));
  return stems.map((own) => {
    const telling = [...own].filter((stem) => !stems.every((other) => other.has(stem)));
    return new Set(telling);
  });
}
