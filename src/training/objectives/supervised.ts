/**
 * The paper's two ways to learn from reasoning (section 3.3): two tasks at once (MTL), or one target (STL) that is the
 * answer, or the reasoning followed by the answer.
 */
import type { Sample } from '../../data/sample.js';
import { type EncodedText, encodeBefore, encodePrompt, encodeText } from '../../text/encode.js';
import { answerOf, qaPrompt, reasoningTarget } from '../../text/prompts.js';
import type { Tokenizer } from '../../text/tokenizer.js';
import type { Objective, ObjectiveSettings } from './objective.js';

/** Answer and reasoning at once: alpha * CE(answer) + beta * CE(reasoning). Samples without reasoning learn to answer. */
export function mtl({ config: { text, train }, tokenizer, cues }: ObjectiveSettings): Objective {
  return {
    losses: [
      { name: 'qa', weight: train.alpha },
      ...(train.beta > 0 ? [{ name: 'reasoning', weight: train.beta }] : []),
    ],
    encode: (samples) => {
      const reasoning = samples.map((sample) => reasoningOf(sample, text.maxReasoning, tokenizer));
      const prompts = text.reasoningPrompt
        ? samples.map((sample) =>
            encodePrompt(tokenizer, qaPrompt(sample, text.reasoningPrompt!), text.maxPrompt),
          )
        : undefined;
      const answer = {
        name: 'qa',
        rows: samples.map((sample) => tokenizer.answerIds(answerOf(sample))),
        start: cues?.answer,
      };
      const second = {
        name: 'reasoning',
        rows: ids(reasoning),
        start: cues?.reasoning,
        prompts: prompts && ids(prompts),
      };
      return {
        targets: train.beta > 0 ? [answer, second] : [answer],
        truncated: new Map([
          [`reasoning prompts (text.maxPrompt ${text.maxPrompt})`, cutOf(prompts ?? [])],
          [`reasoning texts (text.maxReasoning ${text.maxReasoning})`, cutOf(reasoning)],
        ]),
      };
    },
  };
}

/** One target, whatever beta says: the answer, or the reasoning followed by the answer (the paper's STL, section 3.3). */
export function stl({ config: { text, train }, tokenizer, cues }: ObjectiveSettings): Objective {
  return {
    losses: [{ name: 'qa', weight: 1 }],
    encode: (samples) => {
      const texts = samples.map((sample): EncodedText => {
        const option = answerOf(sample);
        if (train.stlTarget === 'answer') return { ids: tokenizer.answerIds(option), truncated: false };
        const answer = tokenizer.answerIds(option, 'afterReasoning');
        return encodeBefore(tokenizer, reasoningTarget(sample), answer, text.maxReasoning);
      });
      return {
        targets: [{ name: 'qa', rows: ids(texts), start: cues?.answer }],
        truncated: new Map([[`reasoning texts (text.maxReasoning ${text.maxReasoning})`, cutOf(texts)]]),
      };
    },
  };
}

const ids = (texts: readonly EncodedText[]) => texts.map((text) => text.ids);
const cutOf = (texts: readonly EncodedText[]) => texts.filter(({ truncated }) => truncated).length;

function reasoningOf(sample: Sample, limit: number, tokenizer: Tokenizer): EncodedText {
  const text = reasoningTarget(sample);
  return text === '' ? { ids: [], truncated: false } : encodeText(tokenizer, text, limit);
}
