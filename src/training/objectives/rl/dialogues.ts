/**
 * Completions of students that look again (train.rl.looks): dialogues, drawn turn by turn. Every turn is a row of one input, with
 * the frames, prompt and earlier thoughts that it was written about, so that one pass has the log-probabilities of all turns.
 * What a call is answered with stands in the encoder alone: no token of it is learned.
 */
import * as tf from '@tensorflow/tfjs-core';
import { type BatchBuilder, disposeVisual } from '../../../batches/batch.js';
import type { Sample } from '../../../data/sample.js';
import { nextBatch } from '../../../evaluation/looking.js';
import type { Student, StudentInput, Visual } from '../../../model/student.js';
import { repeated } from '../../../model/targets.js';
import { Dialogue } from '../../../text/dialogue.js';
import { decodeTurn } from '../../../text/looking.js';
import type { Tokenizer } from '../../../text/tokenizer.js';

/** How completions are drawn. */
export interface DrawSettings {
  /** Completions of each sample. */
  group: number;
  temperature: number;
  topP: number;
  /** Of a completion, or of a turn of it. */
  maxNewTokens: number;
  /** Calls for frames that are answered in each completion. */
  looks: number;
  /** Most frames a second of a span that is called for. */
  perSecond: number;
}

/** Dialogues of a batch; those of a sample follow each other. */
export interface Talks {
  dialogues: Dialogue[];
  /** Tokens of every turn, the end included where there is one. */
  rows: number[][];
  /** Dialogue of each turn. */
  dialogueOf: number[];
  /** Whether a turn of the dialogue was cut at the largest length. */
  cut: boolean[];
  /** What each turn was written about, a row each; the caller frees it (disposeVisual). */
  input: StudentInput;
}

interface Asked {
  student: Student;
  tokenizer: Tokenizer;
  builder: BatchBuilder;
  input: StudentInput;
  samples: readonly Sample[];
  /** Token that starts the decoder; the student's own unless given. */
  start: number | undefined;
}

/** @param seed of the draws; each turn's own follows from it, the sample's id, its place in the group and the turn */
export async function talk(asked: Asked, settings: DrawSettings, seed: string): Promise<Talks> {
  const { student, tokenizer, builder, samples, start } = asked;
  const { group, temperature, topP, maxNewTokens } = settings;
  const { eosId } = tokenizer;
  const dialogues = samples.flatMap((sample) =>
    Array.from({ length: group }, () => new Dialogue(sample, settings)),
  );
  const rows: number[][] = [];
  const dialogueOf: number[] = [];
  const cut = dialogues.map(() => false);
  const inputs = [repeatedInput(asked.input, group)];
  let open = dialogues.map((dialogue, index) => ({ dialogue, index, sample: dialogue.sample }));
  let seen: readonly Sample[] = open.map(({ sample }) => sample);
  try {
    for (let turn = 0; open.length > 0; turn++) {
      const seeds = open.map(
        ({ dialogue, index }) => `${seed}/${dialogue.sample.id}/${index % group}/${turn}`,
      );
      const encoded = student.encode(inputs.at(-1)!);
      const sampling = { temperature, topP, seeds };
      const drawn = student.generate(encoded, { maxNewTokens, eosId, start, sampling });
      encoded.dispose();
      const times = await timesOf(builder, seen);
      open = open.flatMap(({ dialogue, index }, row) => {
        const ids = drawn.ids[row]!;
        // The end has a log-probability and no id.
        const isCut = drawn.logProbs[row]!.length === ids.length;
        cut[index] ||= isCut;
        rows.push(isCut ? ids : [...ids, eosId]);
        dialogueOf.push(index);
        const sample = dialogue.take(decodeTurn(tokenizer, ids), times.get(seen[row]!)!);
        return sample ? [{ dialogue, index, sample }] : [];
      });
      if (open.length === 0) break;
      const batch = await nextBatch(builder, open);
      seen = batch.samples;
      inputs.push(builder.input(batch));
    }
    return { dialogues, rows, dialogueOf, cut, input: joinedInput(inputs) };
  } finally {
    inputs.forEach(disposeVisual);
  }
}

/** The dialogues of a sample begin with the same frames: each sample's are timed once. */
async function timesOf(builder: BatchBuilder, samples: readonly Sample[]) {
  const distinct = [...new Set(samples)];
  const times = await Promise.all(distinct.map((sample) => builder.times(sample)));
  return new Map(distinct.map((sample, i) => [sample, times[i]!]));
}

/** Every row of an input so many times in a row. */
function repeatedInput(input: StudentInput, times: number): StudentInput {
  const { frames } = input;
  const visual = mapVisual(input.visual, (x) => {
    const [first, ...rest] = x.shape;
    return tf.tidy(() => {
      const clips = tf.reshape(x, [first! / frames, frames, ...rest]);
      return tf.reshape(repeated(clips, times), [first! * times, ...rest]);
    });
  });
  return {
    ...input,
    visual,
    prompts: input.prompts.flatMap((row) => Array.from({ length: times }, () => row)),
  };
}

/** The rows of several inputs as those of one. */
function joinedInput(inputs: readonly StudentInput[]): StudentInput {
  const [first] = inputs as [StudentInput];
  const visual = mapVisual(first.visual, (_, key) => tf.concat(inputs.map((input) => input.visual[key]!)));
  return { ...first, visual, prompts: inputs.flatMap(({ prompts }) => prompts) };
}

type Kind = 'features' | 'pixels' | 'tokens';

/** The same kind of visual with another tensor. */
function mapVisual(visual: Visual, change: (x: tf.Tensor, kind: Kind) => tf.Tensor): Visual {
  const kind = (['features', 'pixels', 'tokens'] as const).find((each) => visual[each])!;
  return { [kind]: change(visual[kind]!, kind) } as unknown as Visual;
}
