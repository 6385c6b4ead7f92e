/** The tokens that tell the decoder which of two tasks it is given (text.decoderCue). */
import { UsageError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Tokenizer } from '../text/tokenizer.js';

/** Spare tokens that start the decoder when text.decoderCue is task. */
const CUES = ['<extra_id_0>', '<extra_id_1>'] as const;

/** Tokens that start the decoder on either task, when text.decoderCue is task. @throws UsageError where it has none */
export function cueTokens(
  { text }: { text: Pick<Config['text'], 'decoderCue'> },
  tokenizer: Tokenizer,
): { answer: number; reasoning: number } | undefined {
  if (text.decoderCue === 'none') return undefined;
  const [answer, reasoning] = CUES.map((cue) => {
    const ids = tokenizer.encode(cue, { addEos: false });
    if (ids.length !== 1)
      throw new UsageError(`text.decoderCue: task needs a tokenizer with ${CUES.join(' and ')}; use none`);
    return ids[0]!;
  });
  return { answer: answer!, reasoning: reasoning! };
}
