/**
 * ATP-hard (Buch et al. 2022): the questions of NExT-QA's validation split that one frame does not answer, as row numbers
 * of val.csv, which `reasvqa score --subset` and table 6 read. Its authors publish the numbers; others publish the rows
 * themselves (videocon's nextqa-atphard.csv), from which the numbers are found here.
 */
import { DataError } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import { readAnnotations } from './annotations.js';
import type { Sample } from './sample.js';

/**
 * Finds the rows of one annotation file in another, by video, question and options in their order; where two rows have all
 * of them, by the id as well.
 *
 * @param all NExT-QA's val.csv. @param some a csv of the same form
 * @returns 0-based row numbers of `all`, ascending
 * @throws DataError naming the row of `some` that `all` does not have, or that is there twice
 */
export async function rowNumbers(all: string, some: string): Promise<number[]> {
  const { samples: rows } = await readAnnotations({ dataset: 'nextqa', file: all });
  const { samples: wanted } = await readAnnotations({ dataset: 'nextqa', file: some });
  const byText = groupBy(rows.keys(), (row) => textOf(rows[row]!));
  const found = new Set<number>();
  for (const sample of wanted) {
    const candidates = byText.get(textOf(sample)) ?? [];
    const same = candidates.length > 1 ? candidates.filter((row) => rows[row]!.id === sample.id) : candidates;
    const row = same[0];
    if (row === undefined)
      throw new DataError(
        `${some}: question ${sample.id} is not in ${all} with this text and these options; is it the validation split?`,
      );
    if (found.has(row)) throw new DataError(`${some}: question ${sample.id} is there twice`);
    found.add(row);
  }
  return [...found].sort((a, b) => a - b);
}

const textOf = ({ video, question, options }: Sample) => JSON.stringify([video, question, options]);
