#!/usr/bin/env node
/**
 * Pre-trains the small base model of the shapes world, stage by stage (src/pretraining/pretrain.ts): 50 minutes on two
 * busy cores, the first stage measured on its own.
 *
 *   node tools/pretrain-shapes.mjs [--out FOLDER] [--keep FOLDER]
 *
 * Nothing is downloaded; the model takes the place of the committed one unless --out says otherwise. With --keep, the
 * end of every stage is kept in that folder and not run again by the next call.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { setup } from './setup.mjs';

await setup();
const { selectEngine } = await import('../dist/engine/engine.js');
const { loadStudent, saveStudent } = await import('../dist/model/load.js');
const { Tokenizer } = await import('../dist/text/tokenizer.js');
const { PRETRAIN_STAGES, Pretraining } = await import('../dist/pretraining/pretrain.js');

const root = new URL('..', import.meta.url).pathname;
const { values } = parseArgs({
  options: { out: { type: 'string', default: `${root}weights/shapes` }, keep: { type: 'string' } },
});

const SEED = 1;
const engine = await selectEngine('auto');
console.error(`engine: ${engine.description}`);
const keptIn = ({ name }) => join(values.keep, name);
const isKept = (stage) => values.keep !== undefined && existsSync(join(keptIn(stage), 'model.safetensors'));
const next = PRETRAIN_STAGES.findLastIndex(isKept) + 1;
const known = next > 0 ? (await loadStudent(keptIn(PRETRAIN_STAGES[next - 1]))).student : undefined;
const pretraining = await Pretraining.open(await Tokenizer.load(`${root}weights/shapes`), SEED, known);
const started = Date.now();
const seconds = () => ((Date.now() - started) / 1000).toFixed(0);

for (const stage of PRETRAIN_STAGES.slice(next)) {
  pretraining.begin(stage);
  let loss = 0;
  for (let done = 1; done <= stage.steps; done++) {
    loss += await pretraining.step();
    if (done % 100 === 0) {
      console.error(`${stage.name} ${done}/${stage.steps}  loss ${(loss / 100).toFixed(4)}  ${seconds()} s`);
      loss = 0;
    }
  }
  console.error(JSON.stringify(await pretraining.evaluate(8)));
  if (values.keep) await saveStudent(pretraining.student, keptIn(stage), { stage: stage.name });
}
// bf16 keeps the file half as large; the demo loads it as float32.
await saveStudent(pretraining.student, values.out, {}, 'BF16');
pretraining.dispose();
console.error(`written to ${values.out} after ${seconds()} s`);
