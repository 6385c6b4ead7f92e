/**
 * Workload files (bench/speed/workloads, or the user's own): the sizes of one training step.
 *
 *   {"what": text, "config": the student's config.json, "lora": {"r", "lora_alpha", "lora_dropout", "target_modules"},
 *    "batch": {"videos", "frames", "prefix", "prompt", "answer", "reasoning"}}
 *
 * `prefix` is the length of "Frame i: " in tokens, 0 for none; the other lengths are tokens too. `prompt` is the text without
 * the video's tokens.
 */
import { basename } from 'node:path';

/**
 * @typedef {{ videos: number, frames: number, prefix: number, prompt: number, answer: number, reasoning: number }} Sizes
 * @typedef {{ r: number, lora_alpha: number, lora_dropout: number, target_modules: string[] }} Lora
 * @typedef {import('../../src/model/kind.js').StudentKind} StudentKind
 * @typedef {{ name: string, what: string, kind: StudentKind, config: object, lora: Lora, batch: Sizes }} Workload
 */

/** Of a decoder-only student: the prompt and its targets are one sequence. @param {Workload} workload */
export const isDecoderOnly = ({ kind }) => kind.modelType === 'llava_onevision';

const SIZES = { videos: 1, frames: 1, prefix: 0, prompt: 1, answer: 1, reasoning: 0 };

/**
 * @param {import('../../src/commands/bench.js').BenchLibrary} lib
 * @param {string} path
 * @returns {Promise<Workload>}
 * @throws DataError naming file, key and what was expected
 */
export async function readWorkload(lib, path) {
  const json = await lib.readJson(path);
  const fail = (key, expected) => {
    throw new lib.DataError(
      `${path}: ${key}: expected ${expected}; bench/speed/workloads/small.json is an example of the format`,
    );
  };
  if (!isObject(json)) fail('the file', 'an object');
  for (const key of ['config', 'lora', 'batch']) if (!isObject(json[key])) fail(key, 'an object');
  for (const [key, least] of Object.entries(SIZES)) {
    const value = json.batch[key];
    if (!Number.isInteger(value) || value < least) fail(`batch.${key}`, `a whole number from ${least}`);
  }
  const { r, lora_alpha: alpha, lora_dropout: dropout, target_modules: targets } = json.lora;
  if (!Number.isInteger(r) || r < 1) fail('lora.r', 'a whole number from 1');
  if (!(alpha > 0)) fail('lora.lora_alpha', 'a number above 0');
  if (!(dropout >= 0 && dropout < 1)) fail('lora.lora_dropout', 'a number from 0 to below 1');
  if (!Array.isArray(targets) || targets.length === 0) fail('lora.target_modules', 'a list of module names');
  const kind = lib.kindOf(json.config, `${path}: config`);
  const config = kind.parseConfig(json.config, `${path}: config`);
  const workload = {
    name: basename(path).replace(/\.json$/, ''),
    what: String(json.what ?? ''),
    kind,
    config,
    lora: { r, lora_alpha: alpha, lora_dropout: dropout, target_modules: targets },
    batch: json.batch,
  };
  if (isDecoderOnly(workload) && json.batch.prefix !== 0)
    fail('batch.prefix', `0: ${kind.title} has no text between frames`);
  return workload;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Visual tokens of a clip, behind each other. @param {Workload} workload */
export function visualTokens(workload) {
  const { config, batch } = workload;
  if (!isDecoderOnly(workload)) return batch.frames * config.num_query_tokens;
  const { image_size: image, patch_size: patch } = config.vision_config;
  // Pooled to half the side, and a newline behind the clip.
  return batch.frames * Math.ceil(Math.floor(image / patch) / 2) ** 2 + 1;
}

/** Length of what the model reads before it writes. @param {Workload} workload */
export function promptLength(workload) {
  const { frames, prefix, prompt } = workload.batch;
  return visualTokens(workload) + frames * prefix + prompt;
}
