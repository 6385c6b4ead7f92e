/** BLIP-2's side of `weights check`: reads the recordings of tools/reference/make_reference.py. */
import * as tf from '@tensorflow/tfjs-core';
import { withHalfProducts } from '../../ops/bf16.js';
import { inferenceContext } from '../context.js';
import {
  labelRows,
  metadataNumber,
  type Reference,
  type ReferenceCase,
  readIds,
  readPixels,
} from '../reference.js';
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
  const start = metadataNumber(reference, 'decoder_start_token_id');
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
  const { pixels, videos, frames } = await readPixels(reference, config.vision_config.image_size);
  const { vocab_size: vocabulary } = config.text_config;
  const ids = (name: string, rows: number, columns?: number) =>
    readIds(reference, name, { rows, columns, vocabulary });
  try {
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
      pixels,
    };
  } catch (error) {
    pixels.dispose();
    throw error;
  }
}

function rowsOf({ ids, mask, columns }: Tokens, rows: number): TokenRows {
  return Array.from({ length: rows }, (_, row) => {
    const at = row * columns;
    return [...ids.subarray(at, at + columns)].filter((_, i) => mask[at + i] !== 0);
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
