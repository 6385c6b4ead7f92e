/** `weights check` of LLaVA-OneVision: a committed PyTorch reference, under every layout of names. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalName } from '../../src/model/llava/names.js';
import { weightsCheck } from '../../src/parity/check.js';
import { writeSafetensors } from '../../src/weights/safetensors.js';
import { LAYOUTS, originalJson } from '../model/llava/support.js';
import { onEngines, useFastEngine } from '../model/support.js';
import { sharedPath } from '../support/shared.js';
import { withFile } from '../weights/fixtures.js';

/** Made by tools/reference/make_llava_reference.py --set vision.image_size=31 --set text.vocab_size=72 --set shape.videos=2. */
const REFERENCE = fileURLToPath(new URL('../fixtures/llava', import.meta.url));

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-llava-check-'));
});
afterAll(() => rm(scratch, { recursive: true }));

onEngines(
  'weights check of LLaVA-OneVision',
  ['native-cpu', 'native-cuda', 'wasm', 'cpu', 'tensorflow'],
  () => {
    it('agrees with PyTorch in every stage, gradient, greedy token and AdamW loss', async () => {
      const { rows, ok } = await weightsCheck(REFERENCE);
      expect(rows.filter((row) => !row.ok)).toEqual([]);
      expect(ok).toBe(true);
      const names = rows.map(({ name }) => name);
      await withFile(join(REFERENCE, 'reference.safetensors'), async (file) => {
        expect(names.sort()).toEqual(file.names.filter((name) => /^(expect|grad)\./.test(name)).sort());
      });
    });
  },
);

describe('LLaVA-OneVision under other names', () => {
  beforeAll(useFastEngine);

  const read = async (folder: string) => JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));

  it.each([
    ['the module names of transformers 5', 'modules', 1],
    ['what its save_pretrained writes', 'saved', 1],
    ["the original code's, in shards, with its config.json", 'original', 3],
  ] as const)('is read alike: %s', async (_, layout, shards) => {
    const folder = await mkdtemp(join(scratch, 'layout-'));
    await cp(REFERENCE, folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    const tensors = await withFile(path, async (file) => {
      const found: [string, { dtype: 'F32'; shape: number[]; data: Float32Array }][] = [];
      for (const name of file.names) {
        const { shape, data } = await file.read(name);
        const renamed = LAYOUTS[layout](canonicalName(name)!);
        found.push([renamed, { dtype: 'F32', shape, data: data as Float32Array }]);
      }
      return found;
    });
    if (layout === 'original')
      await writeFile(join(folder, 'config.json'), JSON.stringify(originalJson(await read(folder))));
    if (shards > 1) await rm(path);
    for (let i = 0; i < shards; i++)
      await writeSafetensors(
        shards > 1 ? join(folder, `model-0000${i + 1}-of-0000${shards}.safetensors`) : path,
        new Map(tensors.filter((_, n) => n % shards === i)),
      );
    const { rows } = await weightsCheck(folder);
    expect(rows.filter((row) => !row.ok)).toEqual([]);
  });

  it('names the tensor that is missing, and the two that mean one', async () => {
    const folder = await mkdtemp(join(scratch, 'missing-'));
    await cp(REFERENCE, folder, { recursive: true });
    const config = await read(folder);
    config.text_config.tie_word_embeddings = false;
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    await expect(weightsCheck(folder)).rejects.toThrow(/missing tensor lm_head\.weight/);
  });
});

const shared = sharedPath('reference/llava-a');
describe.skipIf(!shared)(`the shared reference${shared ? '' : ' (skipped: ../shared is absent)'}`, () => {
  beforeAll(useFastEngine);

  it('is inside every tolerance', async () => {
    const { rows } = await weightsCheck(shared!);
    expect(rows.filter((row) => !row.ok)).toEqual([]);
  });
});
