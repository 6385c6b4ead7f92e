import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseBlip2Config } from '../../src/weights/config.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { elements } from '../weights/fixtures.js';
import { expectedTensors } from '../weights/layout.js';
import { reasvqa } from './support.js';

const CONFIG = {
  vision_config: {
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    image_size: 14,
    patch_size: 7,
  },
  qformer_config: {
    hidden_size: 6,
    intermediate_size: 10,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    encoder_hidden_size: 8,
  },
  text_config: { d_model: 8, d_kv: 3, d_ff: 9, num_layers: 1, num_heads: 2, vocab_size: 20 },
  num_query_tokens: 2,
};

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-weights-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A checkpoint of CONFIG, changed. */
async function writeCheckpoint(change: (shapes: Map<string, number[]>) => void): Promise<void> {
  const shapes = expectedTensors(parseBlip2Config(CONFIG));
  change(shapes);
  const tensors = new Map(
    [...shapes].map(([name, shape]) => [
      name,
      { dtype: 'F32' as const, shape, data: new Float32Array(elements(shape)) },
    ]),
  );
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
  await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
}

describe('weights show', () => {
  it('says that a folder has all that its config.json asks for', async () => {
    await writeCheckpoint(() => {});
    const { code, stdout, stderr } = await reasvqa(['weights', 'show', folder]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^language_model\.decoder\.block\.0.* F32 /m);
    expect(stdout).toMatch(/\nhas every tensor that config\.json asks for\n$/);
  });

  it('names what is missing, of another shape and unexpected', async () => {
    await writeCheckpoint((shapes) => {
      shapes.delete('query_tokens');
      shapes.set('language_projection.bias', [9]);
      shapes.set('language_model.extra.weight', [2, 6]);
    });
    const { code, stdout, stderr } = await reasvqa(['weights', 'show', folder]);
    expect(code).toBe(3);
    expect(stdout.trimEnd().split('\n').slice(-3)).toEqual([
      'missing     query_tokens',
      'wrong shape language_projection.bias: [9], expected [8]',
      'unexpected  language_model.extra.weight',
    ]);
    expect(stderr).toContain('tensors that its config.json asks for: 1 missing, 1 of another shape');
    const json = JSON.parse((await reasvqa(['weights', 'show', folder, '--json'])).stdout);
    expect(json.comparison).toEqual({
      missing: ['query_tokens'],
      unexpected: ['language_model.extra.weight'],
      misshaped: [{ name: 'language_projection.bias', expected: [8], found: [9] }],
    });
  });

  it('fails for a folder whose tensors mean one thing twice', async () => {
    await writeCheckpoint((shapes) => shapes.set('t5_proj.bias', [8]));
    const { code, stderr } = await reasvqa(['weights', 'show', folder]);
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /^reasvqa: .*model\.safetensors: "language_projection\.bias" and "t5_proj\.bias" both mean/m,
    );
  });

  it('lists a file, and a folder of another kind of model, without comparing', async () => {
    await writeCheckpoint(() => {});
    const file = await reasvqa(['weights', 'show', join(folder, 'model.safetensors')]);
    expect(file).toMatchObject({ code: 0, stderr: '' });
    expect(file.stdout).not.toContain('config.json');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ text_config: { d_model: 'wide' } }));
    const other = await reasvqa(['weights', 'show', folder, '--json']);
    expect(other.code).toBe(0);
    expect(other.stderr).toMatch(/^not compared: .*config\.json: text_config\.d_model/);
    expect(JSON.parse(other.stdout).comparison).toBeNull();
  });
});
