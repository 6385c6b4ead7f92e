/**
 * The paper's two ways to learn from reasoning (section 3.3): two tasks at once (MTL), or one target (STL) that is the
 * answer, or the reasoning followed by the answer.
 */
import type { Sample, Span } from '../../data/sample.js';
import {
  type EncodedText,
  encodeBefore,
  encodePrompt,
  encodeTagged,
  encodeText,
  requireTags,
} from '../../text/encode.js';
import { callTurn } from '../../text/lessons.js';
import { encodeTurn } from '../../text/looking.js';
import { qaPrompt, reasoningTarget } from '../../text/prompts.js';
import type { Tokenizer } from '../../text/tokenizer.js';
import { answerIn, answerLosses, answerTargets, cutAnswers } from './answerTargets.js';
import type { Objective, ObjectiveSettings } from './objective.js';

/** Answer and reasoning at once: alpha * CE(answer) + beta * CE(reasoning). Samples without reasoning learn to answer. */
export function mtl({ config: { text, train }, tokenizer, cues }: ObjectiveSettings): Objective {
  return {
    losses: [
      ...answerLosses(train.alpha),
      ...(train.beta > 0 ? [{ name: 'reasoning', weight: train.beta }] : []),
    ],
    encode: (samples) => {
      const reasoning = samples.map((sample) => reasoningOf(sample, text.maxReasoning, tokenizer));
      const prompts = text.reasoningPrompt
        ? samples.map((sample) =>
            encodePrompt(tokenizer, qaPrompt(sample, text.reasoningPrompt!), text.maxPrompt),
          )
        : undefined;
      const answers = samples.map((sample) => answerIn(sample, tokenizer, text));
      const answer = answerTargets(samples, ids(answers), {
        weights: train.taskWeights,
        start: cues?.answer,
      });
      const second = {
        name: 'reasoning',
        rows: ids(reasoning),
        start: cues?.reasoning,
        prompts: prompts && ids(prompts),
      };
      return {
        targets: train.beta > 0 ? [...answer, second] : answer,
        truncated: new Map([
          [`reasoning prompts (text.maxPrompt ${text.maxPrompt})`, cutOf(prompts ?? [])],
          [`reasoning texts (text.maxReasoning ${text.maxReasoning})`, cutOf(reasoning)],
          cutAnswers(answers, text),
        ]),
      };
    },
  };
}

/**
 * One target, whatever beta says: the answer, or the reasoning followed by the answer (the paper's STL, section 3.3), with or
 * without tags. In tags a sample without reasoning has an empty `think` part, and the first of two turns (train.looks) is its call.
 */
export function stl({ config: { text, train }, tokenizer, cues }: ObjectiveSettings): Objective {
  const reasonsFirst = train.stlTarget !== 'answer';
  const tagged = train.stlTarget === 'tagged';
  if (tagged) requireTags(tokenizer, 'train.stlTarget tagged');
  return {
    losses: answerLosses(1),
    encode: (samples) => {
      const place = reasonsFirst && !tagged ? 'afterReasoning' : 'alone';
      const answers = samples.map((sample) => answerIn(sample, tokenizer, text, place));
      const texts = reasonsFirst
        ? answers.map(({ ids }, i) => {
            const sample = samples[i]!;
            if (sample.call) return calling(sample.call, tokenizer);
            const reasoning = reasoningTarget(sample);
            return tagged
              ? encodeTagged(tokenizer, reasoning, ids, text.maxReasoning)
              : encodeBefore(tokenizer, reasoning, ids, text.maxReasoning);
          })
        : answers;
      return {
        targets: answerTargets(samples, ids(texts), { weights: train.taskWeights, start: cues?.answer }),
        truncated: new Map([
          [`reasoning texts (text.maxReasoning ${text.maxReasoning})`, cutOf(reasonsFirst ? texts : [])],
          cutAnswers(answers, text),
        ]),
      };
    },
  };
}

/** The first of two turns: never cut, since half a call is none. */
function calling(span: Span, tokenizer: Tokenizer): EncodedText {
  return { ids: [...encodeTurn(tokenizer, callTurn(span)), tokenizer.eosId], truncated: false };
}

const ids = (texts: readonly EncodedText[]) => texts.map((text) => text.ids);
const cutOf = (texts: readonly EncodedText[]) => texts.filter(({ truncated }) => truncated).length;

function reasoningOf(sample: Sample, limit: number, tokenizer: Tokenizer): EncodedText {
  const text = reasoningTarget(sample);
  return text === '' ? { ids: [], truncated: false } : encodeText(tokenizer, text, limit);
}
