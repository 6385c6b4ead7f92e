/**
 * The policy `entailment`: of what `paper` leaves it drops the sentences that entail one option and contradict every
 * other, by a model of natural-language inference: a conclusion in words that no pattern knows.
 */
import { UsageError } from '../../base/errors.js';
import type { GeneratedText } from '../generated.js';
import { type Nli, openNli, type Pair, remembering } from '../nli.js';
import { segment } from '../sentences.js';
import { paperRow, paperThen } from './paper.js';
import {
  dropSentences,
  type Policy,
  type PolicyRecord,
  type PolicySettings,
  type PolicyText,
  resultOf,
} from './policy.js';

const REASON = 'entails an option';
/** Least probability of a relation unless told otherwise. */
export const LEAST = 0.5;

export const entailment: PolicyRecord = {
  name: 'entailment',
  summary: 'paper, and drops sentences that a model says entail one option and contradict the others',
  open: async (settings) => {
    if (settings.model === undefined)
      throw new UsageError(
        '--policy entailment: needs --nli, the folder or Hugging Face id of an ONNX model such as Xenova/nli-deberta-v3-xsmall',
      );
    return entailmentBy(await openNli(settings.model), settings);
  },
};

/** The policy with a given reader of relations. */
export function entailmentBy(nli: Nli, settings: PolicySettings = {}): Policy {
  const asking = remembering(nli);
  return {
    refine: async (groups) => {
      const rows = groups.map(([row]) => row!);
      // One round over the whole batch fills the memory that the rows are then judged from.
      await asking(rows.flatMap((row) => pairsOf(row, paperRow(row, settings).refined)));
      const texts: PolicyText[] = [];
      for (const row of rows) texts.push(await refineOne(row, settings, asking));
      return texts;
    },
  };
}

function hypothesesOf({ question, options }: GeneratedText): string[] {
  return options.map((option) => `The answer to "${question.trim()}" is: ${option.trim()}`);
}

const sentencesOf = (text: string) => segment(text).map(({ start, end }) => text.slice(start, end));

function pairsOf(row: GeneratedText, text: string): Pair[] {
  const hypotheses = hypothesesOf(row);
  return sentencesOf(text).flatMap((premise) => hypotheses.map((hypothesis) => ({ premise, hypothesis })));
}

async function refineOne(row: GeneratedText, settings: PolicySettings, nli: Nli): Promise<PolicyText> {
  const { threshold = LEAST } = settings;
  const count = row.options.length;
  const refined = await paperThen(row, settings, async (text) => {
    const relations = await nli(pairsOf(row, text));
    const concludes = sentencesOf(text).map((_, i) => {
      const own = relations.slice(i * count, (i + 1) * count);
      const entailed = own.filter(({ entails }) => entails >= threshold).length;
      const denied = own.filter(({ contradicts }) => contradicts >= threshold).length;
      return entailed === 1 && denied === count - 1;
    });
    return dropSentences(text, (_, i) => (concludes[i] ? REASON : undefined));
  });
  return { row, ...resultOf(refined) };
}
