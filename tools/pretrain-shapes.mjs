#!/usr/bin/env node
/**
 * Makes weights/shapes/model.safetensors: pre-trains the small base model on captions of the shapes world.
 *
 *   node tools/pretrain-shapes.mjs [--out FOLDER] [--from STAGE]
 *
 * The committed weights come from this command: no download, two stages (src/training/pretrain.ts), each saved to the
 * folder before the next begins; --from 2 goes on from what the folder holds.
 */
import { parseArgs } from 'node:util';
import { setup } from './setup.mjs';

await setup();
const { selectEngine } = await import('../dist/engine/engine.js');
const { loadModel, saveModel } = await import('../dist/model/load.js');
const { Tokenizer } = await import('../dist/text/tokenizer.js');
const { PRETRAIN_STAGES, Pretraining } = await import('../dist/training/pretrain.js');

const root = new URL('..', import.meta.url).pathname;
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: `${root}weights/shapes` },
    from: { type: 'string', default: '1' },
  },
});
const first = Number(values.from) - 1;
if (!(first in PRETRAIN_STAGES)) {
  console.error(`pretrain-shapes: --from takes 1 to ${PRETRAIN_STAGES.length}`);
  process.exit(2);
}

const engine = await selectEngine('auto');
console.error(`engine: ${engine.description}`);
const tokenizer = await Tokenizer.load(`${root}weights/shapes`);
for (let stage = first; stage < PRETRAIN_STAGES.length; stage++) await run(stage);

async function run(stage) {
  const settings = PRETRAIN_STAGES[stage];
  // From the saved file, so that a stage that is run alone starts from the same rounded weights.
  const start = stage > 0 ? (await loadModel(values.out)).model : undefined;
  const pretraining = new Pretraining(tokenizer, settings, start);
  const parameters = [...pretraining.model.parameters()].reduce((sum, p) => sum + p.size, 0);
  const samples = settings.clips * settings.samplesPerClip;
  console.error(
    `stage ${stage + 1}: ${parameters} parameters, ${settings.steps} steps of ${samples} samples`,
  );
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
      const metadata = { stage: String(stage + 1), steps: String(done) };
      await saveModel(pretraining.model, values.out, metadata, 'BF16');
    }
  }
  pretraining.dispose();
  console.error(`stage ${stage + 1} done after ${((Date.now() - started) / 1000).toFixed(0)} s`);
}
