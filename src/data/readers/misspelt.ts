/** Files whose key or column of the truth is misspelt: without it they would pass for a blind split. */
import { nearest } from '../../base/nearest.js';

/**
 * The name that most likely means `key`.
 *
 * @param names of a record's keys or a table's columns, without `key`
 * @param known names that mean something else
 */
export function misspelt(
  key: string,
  names: readonly string[],
  known: readonly string[],
): string | undefined {
  return names.find((name) => !known.includes(name) && nearest(name, [key]) !== undefined);
}
