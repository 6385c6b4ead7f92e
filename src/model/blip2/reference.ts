/** BLIP-2's side of `weights check`: reads the recordings of tools/reference/make_reference.py. */
import * as tf from '@tensorflow/tfjs-core';
import { DataError } from '../../base/errors.js';
import { withHalfProducts } from '../../ops/bf16.js';
import { IGNORED } from '../../ops/labels.js';
import { inferenceContext } from '../context.js';
import type { Reference, ReferenceCase } from '../reference.js';
import type { Student, TokenRows } from '../student.js';
import type { Labels, Tokens } from '../tokens.js';
import { isLora } from '../trainable.js';
import type { EncoderBatch } from './blip2.js';
import type { Blip2Student } from './student.js';

/** The recorded inputs as they are in the file. */
interface Inputs {
  pixels: tf.Tensor4D;
  encoder: EncoderBatch;
  answer: Labels;
  reasoning: Labels;
}

export async function openReference(given: Student, reference: Reference): Promise<ReferenceCase> {
  const student = given as Blip2Student;
  const start = Number(reference.metadata.decoder_start_token_id);
  const { pixels, encoder, answer, reasoning } = await readInputs(student, reference);
  const { frames, prefix, prompt, videos } = encoder;
  const input = {
    visual: { pixels },
    frames,
    ...(prefix ? { framePrefixes: rowsOf(prefix, frames) } : {}),
    prompts: rowsOf(prompt, videos),
  };
  return {
    input,
    targets: [
      { name: 'qa', rows: labelRows(answer, videos, 'input.answer_labels', reference), start },
      { name: 'reasoning', rows: labelRows(reasoning, videos, 'input.reasoning_labels', reference), start },
    ],
    stages: () => stagesOf(student, { pixels, encoder, answer, reasoning }),
    greedy: (maxNewTokens) => {
      const encoded = student.encode(input);
      const { ids } = student.generate(encoded, { maxNewTokens });
      encoded.dispose();
      return ids;
    },
    // The reference names LoRA gradients by their path inside the language model.
    gradientName: (name) =>
      isLora(name) ? `grad.lora.${name.replace(/^language_model\./, '')}` : `grad.${name}`,
    dispose: () => pixels.dispose(),
  };
}

/** @throws DataError naming the input that does not fit */
async function readInputs({ config }: Blip2Student, reference: Reference): Promise<Inputs> {
  const refuse = (name: string, found: string, expected: string) => {
    throw new DataError(`${reference.path}: ${name} ${found}, expected ${expected}`);
  };
  const requireShape = (name: string, shape: number[], expected: (number | string)[]) => {
    const fits =
      shape.length === expected.length && expected.every((n, i) => typeof n === 'string' || n === shape[i]);
    if (!fits) refuse(name, `has shape (${shape.join(', ')})`, `(${expected.join(', ')})`);
  };
  const { image_size: image } = config.vision_config;
  const pixels = await reference.read('input.pixel_values');
  requireShape('input.pixel_values', pixels.shape, ['videos', 'frames', 3, image, image]);
  const [videos, frames, channels, height, width] = pixels.shape as [number, number, number, number, number];
  const ids = async (name: string, rows: number, columns: number | string = 'tokens') => {
    const { shape, data } = await reference.read(name);
    requireShape(name, shape, [rows, columns]);
    const { vocab_size: vocab } = config.text_config;
    const wrong = data.find(
      (id) => !(id >= 0 && id < vocab) && !(id === IGNORED && name.endsWith('_labels')),
    );
    if (wrong !== undefined) refuse(name, `holds ${wrong}`, `ids from 0 to ${vocab - 1}`);
    return { data: Int32Array.from(data), columns: shape[1] as number };
  };
  const prefix = await ids('input.frame_prefix_ids', frames);
  const prompt = await ids('input.prompt_ids', videos);
  const promptMask = await ids('input.prompt_mask', videos, prompt.columns);
  const ones = new Int32Array(prefix.data.length).fill(1);
  return {
    encoder: {
      videos,
      frames,
      ...(prefix.columns > 0 ? { prefix: { ids: prefix.data, mask: ones, columns: prefix.columns } } : {}),
      prompt: { ids: prompt.data, mask: promptMask.data, columns: prompt.columns },
    },
    answer: await ids('input.answer_labels', videos),
    reasoning: await ids('input.reasoning_labels', videos),
    pixels: tf.tensor4d(pixels.data as Float32Array, [videos * frames, channels, height, width]),
  };
}

function rowsOf({ ids, mask, columns }: Tokens, rows: number): TokenRows {
  return Array.from({ length: rows }, (_, row) => {
    const at = row * columns;
    return [...ids.subarray(at, at + columns)].filter((_, i) => mask[at + i] !== 0);
  });
}

/** @throws DataError for labels that begin again after -100: a row is one text */
function labelRows({ data, columns }: Labels, rows: number, name: string, { path }: Reference): TokenRows {
  return Array.from({ length: rows }, (_, row) => {
    const labels = [...data.subarray(row * columns, (row + 1) * columns)];
    const end = labels.indexOf(IGNORED);
    if (end < 0) return labels;
    if (labels.slice(end).some((id) => id !== IGNORED))
      throw new DataError(
        `${path}: ${name}: row ${row} goes on after ${IGNORED}, expected only ${IGNORED} there`,
      );
    return labels.slice(0, end);
  });
}

function stagesOf(student: Blip2Student, { pixels, encoder, answer, reasoning }: Inputs) {
  const { module, precision } = student;
  const context = inferenceContext(precision);
  const compute = () => {
    const image = module.vision.postLayernorm.forward(module.visionFeatures(pixels, context)) as tf.Tensor3D;
    const qformer = module.queryOutput(image, context);
    const projection = module.languageProjection.forward(qformer, context) as tf.Tensor3D;
    const encoded = module.encode(projection, encoder, context);
    const packed = module.pack([answer, reasoning]);
    const logits = module.logits(module.decode(encoded, packed, context));
    const [answerLogits, reasoningLogits] = tf.split(logits, packed.lengths, 1) as [tf.Tensor, tf.Tensor];
    return {
      'expect.vision': image.dataSync(),
      'expect.qformer': qformer.dataSync(),
      'expect.projection': projection.dataSync(),
      'expect.encoder': tf.mul(encoded.hidden, tf.expandDims(encoded.keyMask, 2)).dataSync(),
      'expect.answer_logits': answerLogits.dataSync(),
      'expect.reasoning_logits': reasoningLogits.dataSync(),
    } as unknown as tf.TensorContainerObject;
  };
  return withHalfProducts(context.mixed, () => tf.tidy(compute)) as unknown as Record<string, Float32Array>;
}
