/**
 * The answer modes (eval.mode): the answer alone; the reasoning after it; the answer behind the reasoning, in one pass; or the
 * reasoning back in the encoder, with the frames, before the answer (two stages, as Multimodal-CoT, arXiv 2302.00923).
 */
import type { HostBatch } from '../batches/batch.js';
import { type Sample, taskOf } from '../data/sample.js';
import type { Encoded, StudentInput } from '../model/student.js';
import { taskForm } from '../text/tasks/index.js';
import { answerMarkIds, partsOf, type Reading } from '../text/tasks/task.js';
import type { Tokenizer } from '../text/tokenizer.js';
import {
  answerDirectly,
  answerEncoded,
  answerOptions,
  argMax,
  directLimit,
  type Evaluator,
  encoding,
  identify,
  letterScores,
  type Prediction,
  readWritten,
  reasoningOptions,
  writeWhole,
} from './answers.js';

/** The predictions for a batch of one task, in the mode of the evaluator. The caller frees the input. */
export function answerInput(evaluator: Evaluator, host: HostBatch, input: StudentInput): Prediction[] {
  const { student, config, reasonsFirst = false } = evaluator;
  const { mode = 'answer' } = config.eval;
  return encoding(student, input, (encoded) => {
    if (mode === 'answer') return answerEncoded(evaluator, host, encoded);
    const direct = answerDirectly(evaluator, host, encoded);
    const written = reason(evaluator, host, input, encoded);
    const reasoning = written.map(({ text }) => text);
    if (mode === 'answer-then-reason')
      return direct.map((prediction, i) => ({ ...prediction, reasoning: reasoning[i]! }));
    const reasoned =
      mode === 'two-stage'
        ? secondStage(evaluator, host, input, reasoning)
        : reasonsFirst
          ? readWritten(
              evaluator,
              host,
              encoded,
              written.map(({ ids }) => ids),
            )
          : written.map(({ ids }, row) => continued(evaluator, host.samples[row]!, encoded, row, ids));
    return reasoned.map((prediction, i) => ({
      ...prediction,
      reasoning: reasoning[i]!,
      direct: readingOf(direct[i]!),
    }));
  });
}

/** The student's reasoning about each row, greedily written; of one that reasons first the tokens go on to its answer. */
function reason(
  evaluator: Evaluator,
  host: HostBatch,
  input: StudentInput,
  encoded: Encoded,
): { ids: number[]; text: string }[] {
  const { student, tokenizer, builder, config, reasonsFirst } = evaluator;
  const prompts = reasonsFirst ? undefined : builder.reasoningPrompts(host.samples);
  const write = (from: Encoded) =>
    reasonsFirst
      ? writeWhole(evaluator, host, from)
      : student.generate(from, reasoningOptions(evaluator, config.text.maxReasoning)).ids;
  const rows = prompts ? encoding(student, { ...input, prompts }, write) : write(encoded);
  return rows.map((ids) => {
    const text = tokenizer.decode(ids);
    return { ids, text: reasonsFirst ? withoutAnswer(tokenizer, text) : text };
  });
}

/** The reasoning of a text that ends in an answer. */
function withoutAnswer({ form }: Tokenizer, text: string): string {
  const { reasoning } = partsOf(form, text);
  if (reasoning !== undefined) return reasoning;
  const at = text.lastIndexOf(form.answerAfterReasoning.trim());
  return (at < 0 ? text : text.slice(0, at)).trim();
}

/** The answer of one row behind its reasoning, whose tokens are given. */
function continued(
  evaluator: Evaluator,
  sample: Sample,
  encoded: Encoded,
  row: number,
  reasoning: readonly number[],
): Prediction {
  const { tokenizer } = evaluator;
  const one = encoded.pick(row);
  try {
    if (sample.options.length === 0) {
      const text = writeAfter(evaluator, one, [...reasoning, ...answerMarkIds(tokenizer)]);
      return { ...identify(sample), ...taskForm(sample).read(text, sample) };
    }
    const [scores] = letterScores(evaluator, one, [sample], reasoning);
    const chosen = { prediction: argMax(scores!), scores: scores! };
    if (taskOf(sample) === 'choice') return { ...identify(sample), ...chosen };
    const option = tokenizer.answerIds(chosen.prediction, 'afterReasoning').slice(0, -1);
    const text = writeAfter(evaluator, one, [...reasoning, ...option]);
    return { ...identify(sample), ...taskForm(sample).read(text, sample), ...chosen };
  } finally {
    one.dispose();
  }
}

/** What the student writes after given tokens. */
function writeAfter(evaluator: Evaluator, encoded: Encoded, forced: readonly number[]): string {
  const { student, tokenizer } = evaluator;
  const options = answerOptions(evaluator, forced.length + directLimit(evaluator.config));
  const [ids] = student.generate(encoded, { ...options, forced }).ids;
  return tokenizer.decode(ids!.slice(forced.length));
}

/** The answers to the prompts with the reasoning behind them. */
function secondStage(
  evaluator: Evaluator,
  host: HostBatch,
  input: StudentInput,
  reasoning: readonly string[],
): Prediction[] {
  const prompts = evaluator.builder.reasonedPrompts(host.samples, reasoning);
  return encoding(evaluator.student, { ...input, prompts }, (encoded) =>
    answerDirectly(evaluator, host, encoded),
  );
}

function readingOf({ prediction, span, text }: Prediction): Reading {
  return {
    ...(prediction !== undefined && { prediction }),
    ...(span && { span }),
    ...(text !== undefined && { text }),
  };
}
