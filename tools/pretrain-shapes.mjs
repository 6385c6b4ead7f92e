#!/usr/bin/env node
/**
 * Makes weights/shapes/model.safetensors: pre-trains the small base model on captions of the shapes world.
 *
 *   node tools/pretrain-shapes.mjs [--out FOLDER] [--steps N]
 *
 * The committed weights come from the defaults (src/training/pretrain.ts): one command, no download.
 */
import { parseArgs } from 'node:util';
import { setup } from './setup.mjs';

await setup();
const { selectEngine } = await import('../dist/engine/engine.js');
const { saveModel } = await import('../dist/model/load.js');
const { Tokenizer } = await import('../dist/text/tokenizer.js');
const { PRETRAIN_DEFAULTS, Pretraining } = await import('../dist/training/pretrain.js');

const root = new URL('..', import.meta.url).pathname;
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: `${root}weights/shapes` },
    steps: { type: 'string', default: String(PRETRAIN_DEFAULTS.steps) },
  },
});
const settings = { ...PRETRAIN_DEFAULTS, steps: Number(values.steps) };
if (!Number.isInteger(settings.steps) || settings.steps < 1) {
  console.error('pretrain-shapes: --steps takes a whole number, at least 1');
  process.exit(2);
}

const engine = await selectEngine('auto');
console.error(`engine: ${engine.description}`);
const pretraining = new Pretraining(await Tokenizer.load(`${root}weights/shapes`), settings);
const parameters = [...pretraining.model.parameters()].reduce((sum, p) => sum + p.size, 0);
const samples = settings.clips * settings.samplesPerClip;
console.error(`${parameters} parameters, ${settings.steps} steps of ${samples} samples`);
const started = Date.now();
let loss = 0;
for (let step = 0; step < settings.steps; step++) {
  loss += await pretraining.step(step);
  const done = step + 1;
  if (done % 100 === 0) {
    const seconds = (Date.now() - started) / 1000;
    const left = (seconds / done) * (settings.steps - done);
    console.error(
      `step ${done}  loss ${(loss / 100).toFixed(4)}  ${seconds.toFixed(0)} s, ${left.toFixed(0)} s left`,
    );
    loss = 0;
  }
  if (done % 500 === 0 || done === settings.steps) {
    console.error(JSON.stringify(await pretraining.evaluate(8)));
    // bf16 keeps the file half as large; the demo loads it as float32.
    await saveModel(pretraining.model, values.out, { steps: String(done) }, 'BF16');
  }
}
pretraining.dispose();
console.error(`written to ${values.out} after ${((Date.now() - started) / 1000).toFixed(0)} s`);
