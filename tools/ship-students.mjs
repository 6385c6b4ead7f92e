#!/usr/bin/env node
/**
 * Copies the study's students of seed 1, as they are after the last epoch, to weights/shapes/students in bf16: the ones
 * that the demo compares and `ask` uses.
 *
 *   node tools/ship-students.mjs runs/shapes-long
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setup } from './setup.mjs';

await setup();
const { SafetensorsFile, writeSafetensors } = await import('../dist/weights/safetensors.js');

const TRIALS = { answers: 'answers-seed-1', reasoning: 'refined-seed-1', stl: 'stl-seed-1' };
const [sweep] = process.argv.slice(2);
if (!sweep) throw new Error('usage: node tools/ship-students.mjs SWEEP');

for (const [student, trial] of Object.entries(TRIALS)) {
  const checkpoints = join(sweep, 'trials', trial, 'checkpoints');
  const last = join(checkpoints, readdirSync(checkpoints).sort().at(-1));
  const out = new URL(`../weights/shapes/students/${student}/`, import.meta.url).pathname;
  mkdirSync(out, { recursive: true });
  const file = await SafetensorsFile.open(join(last, 'adapter_model.safetensors'));
  const tensors = new Map();
  for (const name of file.names) {
    const { data, shape } = await file.read(name);
    tensors.set(name, { dtype: 'BF16', shape, data });
  }
  await file.close();
  await writeSafetensors(join(out, 'adapter_model.safetensors'), tensors, { format: 'pt' });
  const config = JSON.parse(readFileSync(join(last, 'adapter_config.json'), 'utf8'));
  config.base_model_name_or_path = 'weights/shapes';
  writeFileSync(join(out, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`);
}
