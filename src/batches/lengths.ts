/** Lengths of samples in tokens, for length buckets (train.lengthBuckets). */
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { encodePrompt, encodeText } from '../text/encode.js';
import { reasoningTarget } from '../text/prompts.js';
import { type PromptSettings, taskPrompt } from '../text/tasks/index.js';
import type { Tokenizer } from '../text/tokenizer.js';

/**
 * Tokens of each sample's reasoning, then of its prompt: reasoning varies most and every token of it is a row of the
 * decoder. Whether a run learns the reasoning is not asked, so that runs which are compared (answers alone, and answers and
 * reasoning) see one order of samples.
 */
export function sampleLengths(
  samples: readonly Sample[],
  tokenizer: Tokenizer,
  text: PromptSettings & Pick<Config['text'], 'maxPrompt' | 'maxReasoning'>,
): [reasoning: number, prompt: number][] {
  return samples.map((sample) => {
    const reasoning = reasoningTarget(sample);
    return [
      reasoning === '' ? 0 : encodeText(tokenizer, reasoning, text.maxReasoning).ids.length,
      encodePrompt(tokenizer, taskPrompt(sample, text, tokenizer), text.maxPrompt).ids.length,
    ];
  });
}
