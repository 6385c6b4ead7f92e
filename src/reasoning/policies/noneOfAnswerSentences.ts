/**
 * The policy `none-of-answer-sentences`: of what `paper` leaves it drops every sentence that mentions any option, by its
 * letter or by a word that tells it from the others, in any form of the word ("grew", "grows").
 */
import { Choices } from '../choices.js';
import type { GeneratedText } from '../generated.js';
import { tellingStems } from '../optionWords.js';
import { plainText } from '../plain.js';
import { stemsOf } from '../stems.js';
import { paperThen } from './paper.js';
import { dropSentences, type PolicyRecord, type PolicySettings, resultOf } from './policy.js';

const REASON = 'mentions an option';

export const noneOfAnswerSentences: PolicyRecord = {
  name: 'none-of-answer-sentences',
  summary: "paper, and drops every sentence that mentions any option's words",
  open: (settings) => ({
    refine: (groups) => Promise.all(groups.map(([row]) => refineOne(row!, settings))),
  }),
};

async function refineOne(row: GeneratedText, settings: PolicySettings) {
  const choices = new Choices(row.options);
  const telling = new Set(tellingStems(row.options).flatMap((stems) => [...stems]));
  const mentions = (sentence: string) => {
    const plain = plainText(sentence).trim();
    return (
      stemsOf(plain).some((stem) => telling.has(stem)) ||
      choices.mentions(plain).length > 0 ||
      choices.whole(plain) !== undefined
    );
  };
  const refined = await paperThen(row, settings, (text) =>
    dropSentences(text, (sentence) => (mentions(sentence) ? REASON : undefined)),
  );
  return { row, ...resultOf(refined) };
}
