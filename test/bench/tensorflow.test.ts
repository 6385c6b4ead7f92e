/** The benches on the tensorflow engine, beside native-cpu and plain tfjs-node code. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { format } from '../../bench/speed/tables.mjs';
import { operationShare } from '../../bench/speed/tensorflow.mjs';
import { loadLibrary } from '../../src/commands/bench.js';
import { selectEngine } from '../../src/engine/engine.js';
import { nativeMissing, tensorflowMissing } from '../model/support.js';
import { workloadPath } from './support.js';

const PEERS = fileURLToPath(new URL('../../bench/speed/peers/', import.meta.url));
// The peers import the compiled library, which npm test makes before it runs this.
const compiled = existsSync(fileURLToPath(new URL('../../dist/commands/bench.js', import.meta.url)));
const missing = tensorflowMissing ?? nativeMissing ?? (compiled ? undefined : 'dist is not compiled');

/** Two steps of a peer: its first line and both answers. */
async function drive(script: string, ...given: string[]) {
  const args = [`${PEERS}${script}`, '--workload', workloadPath('tiny'), ...given];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stdin.end('run\nrun\n');
  await once(child, 'close');
  const lines = output.trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}

describe('benches on tensorflow', () => {
  if (missing !== undefined) {
    it.skip(`SKIPPED, the engine cannot run: ${missing}`, () => undefined);
    return;
  }

  it.each(['live', 'cached'])('both peers train the same parameters, %s features', async (features) => {
    const plain = await drive('tfjsNode.mjs', '--features', features);
    const native = await drive('engine.mjs', '--engine', 'native-cpu', '--features', features);
    expect(plain[0].name).toMatch(/^plain @tensorflow\/tfjs-node/);
    expect(native[0].name).toMatch(/^native-cpu \(/);
    expect(plain[0].trainable).toBe(native[0].trainable);
    for (const [, first, second] of [plain, native]) {
      expect(first.ms).toBeGreaterThan(0);
      // Random weights guess among the workload's words.
      expect(second.loss).toBeGreaterThan(0);
      expect(second.loss).toBeLessThan(20);
    }
    expect(plain[2].tensors).toBe(plain[1].tensors);
  });

  it('counts calls into TensorFlow and puts the binding back', async () => {
    await selectEngine('tensorflow');
    const { binding } = tf.backend() as unknown as { binding: object };
    const share = operationShare(tf, () => {
      tf.tidy(() => tf.add(tf.mul(tf.scalar(1), 2), 3));
      return 5;
    });
    expect(share.operations).toBe(2);
    expect(share.overheadUs).toBeGreaterThan(0);
    expect(share.share).toBeCloseTo((2 * share.overheadUs) / 5000, 10);
    expect((tf.backend() as unknown as { binding: object }).binding).toBe(binding);
  });

  it('ops measures native-cpu too, and the table shows both', async () => {
    const { benchOps } = await import('../../bench/speed/ops.mjs');
    const lib = await loadLibrary();
    const engine = await selectEngine('tensorflow');
    const options = { repeats: 1, peer: true };
    const measured = await benchOps({ lib, options, engine, note: () => undefined } as never);
    expect(tf.getBackend()).toBe('tensorflow');
    const { nativeCpu } = measured as unknown as { nativeCpu: { medianUs: number } };
    expect(nativeCpu.medianUs).toBeGreaterThan(0);
    expect(format({ bench: 'ops', ...measured })).toMatch(/^tiny tensors +us +us on native-cpu$/m);
  });
});
