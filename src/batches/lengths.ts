/** Lengths of samples in tokens, for length buckets (train.lengthBuckets). */
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { encodeText } from '../text/encode.js';
import { qaPrompt, reasoningTarget } from '../text/prompts.js';
import type { Tokenizer } from '../text/tokenizer.js';

/**
 * Tokens of each sample's reasoning, then of its prompt: reasoning varies most and every token of it is a row of the
 * decoder. Whether a run learns the reasoning is not asked, so that runs which are compared (answers alone, and answers and
 * reasoning) see one order of samples.
 */
export function sampleLengths(
  samples: readonly Sample[],
  tokenizer: Tokenizer,
  { template, maxPrompt, maxReasoning }: Pick<Config['text'], 'template' | 'maxPrompt' | 'maxReasoning'>,
): [reasoning: number, prompt: number][] {
  const tokens = (text: string, most: number) =>
    text === '' ? 0 : encodeText(tokenizer, text, most).ids.length;
  return samples.map((sample) => [
    tokens(reasoningTarget(sample), maxReasoning),
    tokens(qaPrompt(sample, template), maxPrompt),
  ]);
}
