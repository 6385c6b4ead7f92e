/**
 * The policy `agreement`: of several samples that the teacher wrote about a question, keeps the steps that more than one
 * of them has. The text is that of the first sample with the answer of most samples, as `paper` leaves it; a step stays
 * when enough samples have a sentence with its words. Samples of a teacher that errs differ where it errs.
 */
import { UsageError } from '../../base/errors.js';
import type { GeneratedText } from '../generated.js';
import { segment } from '../sentences.js';
import { stemsOf } from '../stems.js';
import { paperRow, paperThen } from './paper.js';
import {
  dropSentences,
  type PolicyRecord,
  type PolicySettings,
  type PolicyText,
  resultOf,
} from './policy.js';

const REASON = 'no other sample agrees';

/** Samples that have to hold a step, its own among them, unless told otherwise. */
export const VOTES = 2;

export const agreement: PolicyRecord = {
  name: 'agreement',
  summary: 'paper, and keeps the steps that several samples of an id agree on',
  open: (settings) => {
    if ((settings.votes ?? VOTES) < 2)
      throw new UsageError(
        `--votes ${settings.votes}: expected at least 2, since every sample agrees with itself`,
      );
    return { byId: true, refine: (groups) => Promise.all(groups.map((rows) => refineOne(rows, settings))) };
  },
};

async function refineOne(rows: readonly GeneratedText[], settings: PolicySettings): Promise<PolicyText> {
  const { votes = VOTES, overlap = 1 } = settings;
  const row = ofMostVotes(rows);
  const others = rows.filter((other) => other !== row).map((other) => sentencesOf(other, settings));
  const agreed = (sentence: string) => {
    const own = wordsOf(sentence);
    if (own.size === 0) return true;
    const holding = others.filter((sentences) => sentences.some((other) => share(own, other) >= overlap));
    return holding.length + 1 >= votes;
  };
  const refined = await paperThen(row, settings, (text) =>
    dropSentences(text, (sentence) => (agreed(sentence) ? undefined : REASON)),
  );
  return { row, ...resultOf(refined) };
}

/** The first row with the answer that most rows give; rows without an answer have no vote. */
function ofMostVotes(rows: readonly GeneratedText[]): GeneratedText {
  const votes = (row: GeneratedText) =>
    row.predicted === null ? 0 : rows.filter(({ predicted }) => predicted === row.predicted).length;
  return rows.reduce((best, row) => (votes(row) > votes(best) ? row : best));
}

function sentencesOf(row: GeneratedText, settings: PolicySettings): Set<string>[] {
  const { refined } = paperRow(row, settings);
  return segment(refined).map(({ start, end }) => wordsOf(refined.slice(start, end)));
}

/** A step's words, without the number or letter of its list. */
function wordsOf(sentence: string): Set<string> {
  return new Set(stemsOf(sentence.replace(LIST_MARK, '')));
}

const LIST_MARK = /^\s*(?:(?:[-*•+>]|\(?\d{1,3}[.)]|\(?[A-Za-z][.)]|#{1,6}|\**step\s+\d+\s*:\**)\s+)+/i;

/** The share of a sentence's words that another one has. */
function share(own: ReadonlySet<string>, other: ReadonlySet<string>): number {
  let held = 0;
  for (const word of own) if (other.has(word)) held++;
  return held / own.size;
}
