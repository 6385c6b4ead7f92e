/** LLaVA-OneVision's side of `weights check`: reads the recordings of tools/reference/make_llava_reference.py. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../../base/errors.js';
import { withHalfProducts } from '../../ops/bf16.js';
import { IGNORED } from '../../ops/labels.js';
import { inferenceContext } from '../context.js';
import { labelRows, type Reference, type ReferenceCase, readIds, readPixels } from '../reference.js';
import type { Student, TokenRows } from '../student.js';
import type { Labels } from '../tokens.js';
import type { Sequence } from './sequence.js';
import type { LlavaStudent } from './student.js';

/** The recorded inputs as they are in the file. */
interface Inputs {
  pixels: tf.Tensor4D;
  frames: number;
  /** (videos, L): 1 at tokens of a prompt, wherever the file pads. */
  promptMask: Labels;
  prompts: TokenRows;
  answer: Labels;
  reasoning: Labels;
}

export async function openReference(given: Student, reference: Reference): Promise<ReferenceCase> {
  const student = given as LlavaStudent;
  const inputs = await readInputs(student, reference);
  const { pixels, frames, prompts, answer, reasoning } = inputs;
  const input = { visual: { pixels }, frames, prompts };
  const rows = (labels: Labels, name: string) => labelRows(labels, prompts.length, name, reference);
  return {
    input,
    targets: [
      { name: 'qa', rows: rows(answer, 'input.answer_labels') },
      { name: 'reasoning', rows: rows(reasoning, 'input.reasoning_labels') },
    ],
    stages: () => stagesOf(student, inputs),
    greedy: (maxNewTokens) => {
      const encoded = student.encode(input);
      const { ids } = student.generate(encoded, { maxNewTokens });
      encoded.dispose();
      return ids;
    },
    gradientName: (name) => {
      const path = name.replace(/^model\./, '');
      return path.startsWith('language_model.') ? `grad.lora.${path}` : `grad.${path}`;
    },
    dispose: () => pixels.dispose(),
  };
}

/** @throws DataError naming the input that does not fit */
async function readInputs({ config }: LlavaStudent, reference: Reference): Promise<Inputs> {
  const { pixels, videos, frames } = await readPixels(reference, config.vision_config.image_size);
  const { vocab_size: vocabulary } = config.text_config;
  const ids = (name: string, columns?: number) =>
    readIds(reference, name, { rows: videos, columns, vocabulary });
  try {
    const prompt = await ids('input.prompt_ids');
    const promptMask = await ids('input.prompt_mask', prompt.columns);
    const prompts = Array.from({ length: videos }, (_, row) => {
      const at = row * prompt.columns;
      return [...prompt.data.subarray(at, at + prompt.columns)].filter(
        (_, i) => promptMask.data[at + i] !== 0,
      );
    });
    if (prompts.some((row) => row.length === 0))
      throw new DataError(`${reference.path}: input.prompt_mask leaves a prompt without a token`);
    const [answer, reasoning] = [await ids('input.answer_labels'), await ids('input.reasoning_labels')];
    return { pixels, frames, promptMask, prompts, answer, reasoning };
  } catch (error) {
    pixels.dispose();
    throw error;
  }
}

type Stages = Record<string, Float32Array>;

function stagesOf(student: LlavaStudent, { pixels, frames, prompts, ...inputs }: Inputs): Stages {
  const { module, precision } = student;
  const context = inferenceContext(precision);
  const compute = () => {
    const features = module.vision.features(pixels, context);
    const looked = module.projector.forward(features, context);
    const segments = [inputs.answer, inputs.reasoning].map(({ data, columns }) =>
      prompts.map((_, row) =>
        [...data.subarray(row * columns, (row + 1) * columns - 1)].map((id) => Math.max(0, id)),
      ),
    );
    const sequence = module.lay(prompts, segments, frames);
    const read = module.headInput(module.forward(sequence, looked, context));
    const logits = module.logits(read);
    const { prefix } = sequence;
    const [answers] = sequence.segments as [number, number];
    return {
      'expect.vision': features.dataSync(),
      'expect.projection': module.projector.unpooled(features, context).dataSync(),
      'expect.pooled': looked.dataSync(),
      'expect.hidden': promptStates(read.dataSync() as Float32Array, sequence, inputs.promptMask),
      'expect.answer_logits': written(logits, inputs.answer, prefix, prefix),
      'expect.reasoning_logits': written(logits, inputs.reasoning, prefix, prefix + answers),
    } as unknown as tf.TensorContainerObject;
  };
  return withHalfProducts(context.mixed, () => tf.tidy(compute)) as unknown as Stages;
}

/** States of the prompts' columns, moved from our padding to the file's, (videos, L, d). */
function promptStates(
  states: Float32Array,
  { rows, columns, prefix, starts }: Sequence,
  mask: Labels,
): Float32Array {
  const width = states.length / (rows * columns);
  const found = new Float32Array(rows * mask.columns * width);
  for (let row = 0; row < rows; row++) {
    let from = starts[row]!;
    for (let t = 0; t < mask.columns; t++) {
      if (mask.data[row * mask.columns + t] === 0 || from >= prefix) continue;
      const at = (row * columns + from++) * width;
      found.set(states.subarray(at, at + width), (row * mask.columns + t) * width);
    }
  }
  return found;
}

/** Logits that write the labels of a segment, (videos, labels, vocabulary); zero where a label is ignored. */
function written(logits: tf.Tensor, { data, columns }: Labels, prefix: number, begin: number): Float32Array {
  const [rows, width, vocabulary] = logits.shape as [number, number, number];
  const values = logits.dataSync() as Float32Array;
  const found = new Float32Array(rows * columns * vocabulary);
  data.forEach((label, i) => {
    if (label === IGNORED) return;
    const [row, t] = [Math.floor(i / columns), i % columns];
    const at = (row * width + (t === 0 ? prefix - 1 : begin + t - 1)) * vocabulary;
    found.set(values.subarray(at, at + vocabulary), i * vocabulary);
  });
  return found;
}
