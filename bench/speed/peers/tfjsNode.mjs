/**
 * The training step of a workload in plain @tensorflow/tfjs-node code, as one would write it without this project:
 * tf.matMul, tf.softmax, tf.dropout, tf.variableGrads and AdamW of plain operations. What `npm run bench -- train-step
 * --engine tensorflow` compares with, since both run on one TensorFlow.
 *
 *   node bench/speed/peers/tfjsNode.mjs --workload FILE [--features live|cached]
 *
 * Speaks the protocol of speed/peer.mjs. The sizes and what is trained are the workload's; both targets go through the
 * decoder packed in one sequence, as in src/training.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { findPackage } from '../../../dist/engine/tensorflow/package.js';

const { workload: path, features } = parseArgs({
  options: { workload: { type: 'string' }, features: { type: 'string', default: 'live' } },
}).values;
const { config, lora, batch } = JSON.parse(readFileSync(path, 'utf8'));
const { vision_config: vision, qformer_config: qformer, text_config: text } = config;
const { videos, frames, prefix, prompt, answer, reasoning } = batch;

process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
const found = findPackage();
const tf = createRequire(join(found.folder, 'package.json'))(found.folder);
tf.enableProdMode();

// Weights: frozen ones are tensors, trained ones variables.

/** @type {{ variable: any, m: any, v: any, decay: number }[]} */
const trained = [];
const frozen = (shape, std) => tf.randomNormal(shape, 0, std);
function variable(value) {
  const moment = () => tf.variable(tf.zeros(value.shape), false);
  const entry = {
    variable: tf.variable(value),
    m: moment(),
    v: moment(),
    decay: value.shape.length > 1 ? 0.05 : 0,
  };
  trained.push(entry);
  return entry.variable;
}
const learned = (shape, std) => variable(frozen(shape, std));

/** A linear layer (out, in) with bias. @param {typeof frozen} make */
const dense = (make, inputs, outputs, bias = true) => ({
  weight: make([outputs, inputs], inputs ** -0.5),
  bias: bias ? make([outputs], 0.02) : undefined,
});
const withLora = (layer, name, inputs, outputs) =>
  lora.target_modules.includes(name)
    ? { ...layer, A: learned([lora.r, inputs], inputs ** -0.5), B: learned([outputs, lora.r], 0.02) }
    : layer;
const norm = (make, width) => ({ weight: make([width], 1), bias: make([width], 0.02) });

// Operations.

const drop = (x, rate) => (rate > 0 ? tf.dropout(x, rate) : x);

function linear(x, { weight, bias, A, B }) {
  const width = x.shape.at(-1);
  const flat = tf.reshape(x, [-1, width]);
  let y = tf.matMul(flat, weight, false, true);
  if (bias) y = tf.add(y, bias);
  if (A) {
    const low = tf.matMul(drop(flat, lora.lora_dropout), A, false, true);
    y = tf.add(y, tf.mul(tf.matMul(low, B, false, true), lora.lora_alpha / lora.r));
  }
  return tf.reshape(y, [...x.shape.slice(0, -1), weight.shape[0]]);
}

function layerNorm(x, { weight, bias }, eps) {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, eps))), weight), bias);
}

const rmsNorm = (x, weight) =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), text.layer_norm_epsilon))), weight);

const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

function attention(q, k, v, { heads, scale = 1, bias, keep, rate }) {
  const split = (x) =>
    tf.transpose(tf.reshape(x, [x.shape[0], x.shape[1], heads, x.shape[2] / heads]), [0, 2, 1, 3]);
  let scores = tf.matMul(split(q), split(k), false, true);
  if (scale !== 1) scores = tf.mul(scores, scale);
  if (bias) scores = tf.add(scores, bias);
  if (keep) scores = tf.add(scores, tf.mul(tf.sub(keep, 1), 1e30));
  const mixed = tf.matMul(drop(tf.softmax(scores), rate), split(v));
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [q.shape[0], q.shape[1], v.shape[2]]);
}

// The frozen vision model, outside the tape.

const grid = Math.floor(vision.image_size / vision.patch_size);
const patchSize = 3 * vision.patch_size ** 2;
const eyes = {
  patch: dense(frozen, patchSize, vision.hidden_size),
  cls: frozen([1, 1, vision.hidden_size], 0.5),
  position: frozen([1, grid ** 2 + 1, vision.hidden_size], 0.5),
  blocks: Array.from({ length: vision.num_hidden_layers }, () => ({
    norm1: norm(frozen, vision.hidden_size),
    qkv: dense(frozen, vision.hidden_size, 3 * vision.hidden_size),
    out: dense(frozen, vision.hidden_size, vision.hidden_size),
    norm2: norm(frozen, vision.hidden_size),
    fc1: dense(frozen, vision.hidden_size, vision.intermediate_size),
    fc2: dense(frozen, vision.intermediate_size, vision.hidden_size),
  })),
};

function see(pixels) {
  const n = pixels.shape[0];
  const { patch_size: p, num_attention_heads: heads, layer_norm_eps: eps, hidden_size: width } = vision;
  const rows = tf.transpose(tf.reshape(pixels, [n * 3 * grid, p, grid, p]), [0, 2, 1, 3]);
  const patches = tf.transpose(tf.reshape(rows, [n, 3, grid ** 2, p * p]), [0, 2, 1, 3]);
  const embedded = linear(tf.reshape(patches, [n, grid ** 2, patchSize]), eyes.patch);
  let x = tf.add(tf.concat([tf.tile(eyes.cls, [n, 1, 1]), embedded], 1), eyes.position);
  for (const block of eyes.blocks) {
    const [q, k, v] = tf.split(linear(layerNorm(x, block.norm1, eps), block.qkv), 3, 2);
    const mixed = attention(q, k, v, { heads, scale: (width / heads) ** -0.5, rate: 0 });
    x = tf.add(x, linear(mixed, block.out));
    x = tf.add(x, linear(gelu(linear(layerNorm(x, block.norm2, eps), block.fc1)), block.fc2));
  }
  return x;
}

// Q-Former and projection, trained.

const qAttention = (memory) => ({
  q: dense(learned, qformer.hidden_size, qformer.hidden_size),
  k: dense(learned, memory, qformer.hidden_size),
  v: dense(learned, memory, qformer.hidden_size),
  out: dense(learned, qformer.hidden_size, qformer.hidden_size),
  norm: norm(learned, qformer.hidden_size),
});
const bridge = {
  postNorm: norm(learned, vision.hidden_size),
  queries: learned([1, config.num_query_tokens, qformer.hidden_size], 0.02),
  norm: norm(learned, qformer.hidden_size),
  layers: Array.from({ length: qformer.num_hidden_layers }, (_, i) => ({
    self: qAttention(qformer.hidden_size),
    cross: i % qformer.cross_attention_frequency === 0 ? qAttention(qformer.encoder_hidden_size) : undefined,
    fc1: dense(learned, qformer.hidden_size, qformer.intermediate_size),
    fc2: dense(learned, qformer.intermediate_size, qformer.hidden_size),
    norm: norm(learned, qformer.hidden_size),
  })),
  projection: dense(learned, qformer.hidden_size, text.d_model),
};

function project(visual) {
  const { num_attention_heads: heads, hidden_size: width, layer_norm_eps: eps } = qformer;
  const attend = (x, memory, layer) => {
    const [q, k, v] = [linear(x, layer.q), linear(memory, layer.k), linear(memory, layer.v)];
    const rate = qformer.attention_probs_dropout_prob;
    const mixed = attention(q, k, v, { heads, scale: (width / heads) ** -0.5, rate });
    const out = drop(linear(mixed, layer.out), qformer.hidden_dropout_prob);
    return layerNorm(tf.add(out, x), layer.norm, eps);
  };
  const image = layerNorm(visual, bridge.postNorm, vision.layer_norm_eps);
  const queries = tf.tile(bridge.queries, [visual.shape[0], 1, 1]);
  let x = drop(layerNorm(queries, bridge.norm, eps), qformer.hidden_dropout_prob);
  for (const layer of bridge.layers) {
    x = attend(x, x, layer.self);
    if (layer.cross) x = attend(x, image, layer.cross);
    const out = drop(linear(gelu(linear(x, layer.fc1)), layer.fc2), qformer.hidden_dropout_prob);
    x = layerNorm(tf.add(out, x), layer.norm, eps);
  }
  return linear(x, bridge.projection);
}

// FlanT5, frozen with adapters.

const inner = text.num_heads * text.d_kv;
const tAttention = () => {
  const to = (name, inputs, outputs) =>
    withLora(dense(frozen, inputs, outputs, false), name, inputs, outputs);
  return {
    q: to('q', text.d_model, inner),
    k: to('k', text.d_model, inner),
    v: to('v', text.d_model, inner),
    o: to('o', inner, text.d_model),
    norm: frozen([text.d_model], 1),
  };
};
const stack = (layers, cross) => ({
  table: frozen([text.relative_attention_num_buckets, text.num_heads], 0.05),
  norm: frozen([text.d_model], 1),
  blocks: Array.from({ length: layers }, () => ({
    self: tAttention(),
    cross: cross ? tAttention() : undefined,
    norm: frozen([text.d_model], 1),
    wi0: dense(frozen, text.d_model, text.d_ff, false),
    wi1: dense(frozen, text.d_model, text.d_ff, false),
    wo: dense(frozen, text.d_ff, text.d_model, false),
  })),
});
const words = frozen([text.vocab_size, text.d_model], 1);
const head = frozen([text.vocab_size, text.d_model], text.d_model ** -0.5);
const encoder = stack(text.num_layers, false);
const decoder = stack(text.num_decoder_layers, true);

/** (1, heads, length, length); the buckets' exact borders do not matter for time. */
function positionBias({ table }, positions, mask) {
  const most = text.relative_attention_num_buckets - 1;
  const buckets = positions.flatMap((i) => positions.map((j) => Math.min(most, Math.abs(i - j))));
  const { length } = positions;
  const bias = tf.transpose(
    tf.reshape(tf.gather(table, tf.tensor1d(buckets, 'int32')), [length, length, -1]),
    [2, 0, 1],
  );
  return tf.expandDims(mask ? tf.add(bias, tf.tensor2d(mask, [length, length])) : bias, 0);
}

function transform(x, { blocks, norm: last }, bias, keep, memory, memoryKeep) {
  const rate = text.dropout_rate;
  const heads = text.num_heads;
  const attend = (hidden, source, layer, options) =>
    linear(
      attention(linear(hidden, layer.q), linear(source, layer.k), linear(source, layer.v), {
        heads,
        rate,
        ...options,
      }),
      layer.o,
    );
  let hidden = drop(x, rate);
  for (const block of blocks) {
    const normed = rmsNorm(hidden, block.self.norm);
    hidden = tf.add(hidden, drop(attend(normed, normed, block.self, { bias, keep }), rate));
    if (block.cross) {
      const query = rmsNorm(hidden, block.cross.norm);
      hidden = tf.add(hidden, drop(attend(query, memory, block.cross, { keep: memoryKeep }), rate));
    }
    const wide = rmsNorm(hidden, block.norm);
    const gated = drop(tf.mul(gelu(linear(wide, block.wi0)), linear(wide, block.wi1)), rate);
    hidden = tf.add(hidden, drop(linear(gated, block.wo), rate));
  }
  return drop(rmsNorm(hidden, last), rate);
}

// One step.

const ids = (...shape) => tf.randomUniform(shape, 3, text.vocab_size, 'int32');
const frameLength = frames * (prefix + config.num_query_tokens);
const length = frameLength + prompt;
const packed = answer + reasoning;
const given = {
  pixels: tf.randomNormal([videos * frames, 3, vision.image_size, vision.image_size]),
  prefix: ids(frames, prefix),
  prompt: ids(videos, prompt),
  targets: ids(videos, packed),
  labels: ids(videos * packed),
  keep: tf.ones([videos, 1, 1, length]),
};
const isReasoning = Array.from({ length: packed }, (_, i) => i >= answer);
const positions = isReasoning.map((second, i) => (second ? i - answer : i));
const mask = isReasoning.flatMap((second, i) =>
  isReasoning.map((other, j) => (second === other && j <= i ? 0 : -1e9)),
);
const weights = Array.from({ length: videos * packed }, (_, i) =>
  isReasoning[i % packed] ? 0.8 / (videos * reasoning) : 0.2 / (videos * answer),
);
const keptFeatures = features === 'cached' ? tf.tidy(() => see(given.pixels)) : undefined;

function loss(visual) {
  const embed = (tokens) => tf.gather(words, tokens);
  let perFrame = tf.reshape(project(visual), [videos, frames, config.num_query_tokens, text.d_model]);
  if (prefix > 0)
    perFrame = tf.concat([tf.tile(tf.expandDims(embed(given.prefix), 0), [videos, 1, 1, 1]), perFrame], 2);
  const input = tf.concat([tf.reshape(perFrame, [videos, frameLength, -1]), embed(given.prompt)], 1);
  const range = Array.from({ length }, (_, i) => i);
  const memory = transform(input, encoder, positionBias(encoder, range), given.keep);
  const bias = positionBias(decoder, positions, mask);
  const hidden = transform(embed(given.targets), decoder, bias, undefined, memory, given.keep);
  const logits = tf.matMul(tf.reshape(hidden, [videos * packed, -1]), head, false, true);
  const picked = tf.sum(tf.mul(logits, tf.oneHot(given.labels, text.vocab_size)), 1);
  return tf.sum(tf.mul(tf.sub(tf.logSumExp(logits, 1), picked), tf.tensor1d(weights)));
}

let steps = 0;
function adamw(grads) {
  steps++;
  const [b1, b2, rate] = [0.9, 0.999, 3e-5];
  for (const { variable: parameter, m, v, decay } of trained)
    tf.tidy(() => {
      const gradient = grads[parameter.name];
      m.assign(tf.add(tf.mul(m, b1), tf.mul(gradient, 1 - b1)));
      v.assign(tf.add(tf.mul(v, b2), tf.mul(tf.square(gradient), 1 - b2)));
      const size = tf.add(tf.div(tf.sqrt(v), Math.sqrt(1 - b2 ** steps)), 1e-8);
      const update = tf.mul(tf.div(m, size), rate / (1 - b1 ** steps));
      parameter.assign(tf.sub(tf.mul(parameter, 1 - rate * decay), update));
    });
}

function step() {
  const visual = keptFeatures ?? tf.tidy(() => see(given.pixels));
  const { value, grads } = tf.variableGrads(
    () => loss(visual),
    trained.map((entry) => entry.variable),
  );
  adamw(grads);
  const [result] = value.dataSync();
  tf.dispose([value, grads]);
  if (!keptFeatures) visual.dispose();
  return result;
}

const say = (fields) => process.stdout.write(`${JSON.stringify(fields)}\n`);
const size = (tensors) => tensors.reduce((sum, tensor) => sum + tensor.size, 0);
say({
  ready: true,
  name: `plain ${found.name} ${found.version}, TensorFlow ${tf.backend().binding.TF_Version}`,
  trainable: size(trained.map((entry) => entry.variable)),
});
for await (const _ of createInterface({ input: process.stdin })) {
  const start = performance.now();
  const value = step();
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage();
  const maxResident = process.resourceUsage().maxRSS * 1024;
  say({ ms, loss: value, cpuSeconds: (user + system) / 1e6, maxResident, tensors: tf.memory().numTensors });
}
