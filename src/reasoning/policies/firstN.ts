/** The policy `first-n`: keeps the first n sentences, whatever they say; teachers conclude at the end as a rule. */
import { Cutting } from '../cutting.js';
import { dropSentences, type PolicyRecord, type RefineResult, resultOf, rowByRow } from './policy.js';

/** Sentences kept unless told otherwise. */
export const FIRST_SENTENCES = 3;

export const firstN: PolicyRecord = {
  name: 'first-n',
  summary: 'keeps the first n sentences, whatever they say',
  open: ({ sentences = FIRST_SENTENCES }) => rowByRow((row) => firstSentences(row.reasoning, sentences)),
};

function firstSentences(text: string, n: number): RefineResult {
  const cutting = new Cutting([{ text }]);
  // Where text is cut off, what is left may fall into other sentences.
  for (;;) {
    const removals = dropSentences(cutting.current, (_, i) => (i < n ? undefined : `after sentence ${n}`));
    if (removals.length === 0) return resultOf(cutting.result());
    cutting.remove(removals);
  }
}
