/** Whether a text chooses the right option. */
import { parseAnswer } from '../text/answers.js';
import { answerText } from '../text/tags.js';
import type { Reward, RewardSettings } from './reward.js';

/** 1 where the answer names the right option's letter, else 0; for samples with options and a known answer. */
export const choice = ({ tagged }: Pick<RewardSettings, 'tagged'>): Reward => ({
  highest: 1,
  of: ({ sample: { options, answer }, text }) => {
    if (answer === undefined || options.length === 0) return null;
    // Mathematical models box their letter.
    const plain = answerText(text, tagged).replace(/\\boxed\s*\{([^{}]*)\}|\{([A-Za-z])\}/g, '$1$2');
    return parseAnswer(plain, options.length) === answer ? 1 : 0;
  },
});
