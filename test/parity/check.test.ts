/** `weights check` of good and damaged folders. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { type CheckResult, weightsCheck } from '../../src/parity/check.js';
import { SafetensorsFile, writeSafetensors } from '../../src/weights/safetensors.js';
import { onEngines, useFastEngine } from '../model/support.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { withFile } from '../weights/fixtures.js';

/** Made by tools/reference/make_reference.py: what PyTorch computes from a small random student. */
const REFERENCE = fileURLToPath(new URL('../fixtures/reference', import.meta.url));

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-check-'));
});
afterAll(() => rm(scratch, { recursive: true }));

onEngines(
  'weights check of the committed PyTorch reference',
  ['native-cpu', 'native-cuda', 'wasm', 'cpu', 'tensorflow'],
  () => {
    it('agrees with PyTorch in every stage, gradient, greedy token and AdamW loss', async () => {
      const { rows, ok } = await weightsCheck(REFERENCE);
      expect(rows.filter((row) => !row.ok)).toEqual([]);
      expect(ok).toBe(true);
      const names = rows.map((row) => row.name);
      await withFile(join(REFERENCE, 'reference.safetensors'), async (file) => {
        const expected = file.names.filter((name) => /^(expect|grad)\./.test(name));
        expect(names.sort()).toEqual(expected.sort());
      });
      expect(names.filter((name) => name.startsWith('grad.'))).toHaveLength(99);
    });
  },
);

/**
 * Made with --for-bf16 --seed 6. Of seeds 1 to 14 thirteen are inside on native-cuda: gradients of so small a model are off
 * by 1.4e-2 to 2.4e-2, and with seed 9 a greedy token is so near a tie that bf16 takes another.
 */
const REFERENCE_BF16 = fileURLToPath(new URL('../fixtures/referenceBf16', import.meta.url));

onEngines(
  'weights check of a reference that bf16 can represent',
  ['native-cpu', 'native-cuda', 'tensorflow'],
  () => {
    it.each(['bf16', 'f32'] as const)('agrees with PyTorch with frozen weights in %s', async (precision) => {
      const { rows, ok } = await weightsCheck(REFERENCE_BF16, precision);
      expect(rows.filter((row) => !row.ok)).toEqual([]);
      expect(ok).toBe(true);
      expect(rows).toHaveLength(110);
    });
  },
);

describe('weights check of a damaged copy', () => {
  beforeAll(useFastEngine);

  /** A copy of the reference with one tensor of one file changed. */
  async function damaged(
    file: string,
    tensor: string,
    change: (values: Float32Array) => void,
  ): Promise<string> {
    const folder = await mkdtemp(join(scratch, 'copy-'));
    await cp(REFERENCE, folder, { recursive: true });
    const path = join(folder, file);
    const tensors = await withFile(path, (source) => allTensors(source));
    const metadata = await withFile(path, async (source) => source.metadata);
    change(tensors.get(tensor)!.data as Float32Array);
    await writeSafetensors(path, tensors, metadata);
    return folder;
  }

  async function allTensors(source: SafetensorsFile) {
    const tensors = new Map();
    for (const name of source.names) tensors.set(name, { ...(await source.read(name)) });
    return tensors;
  }

  const failed = (result: CheckResult) => result.rows.filter((row) => !row.ok).map((row) => row.name);

  it.each(['expect.encoder', 'expect.loss_qa', 'grad.query_tokens', 'expect.adamw_losses'])(
    'reports exactly %s when that expectation is changed by a hundredth',
    async (name) => {
      const folder = await damaged('reference.safetensors', name, (values) => {
        const at = values.reduce(
          (best, value, i) => (Math.abs(value) > Math.abs(values[best]!) ? i : best),
          0,
        );
        values[at]! *= 1.01;
      });
      const result = await weightsCheck(folder);
      expect(result.ok).toBe(false);
      expect(failed(result)).toEqual([name]);
    },
  );

  it('fails when one weight of the model is changed, from that stage on', async () => {
    const folder = await damaged('model.safetensors', 'language_projection.weight', (values) => {
      values[5]! += 0.1;
    });
    const names = failed(await weightsCheck(folder));
    expect(names).toContain('expect.projection');
    expect(names).toContain('expect.loss');
    expect(names).not.toContain('expect.vision');
    expect(names).not.toContain('expect.qformer');
  });

  it('fails when one adapter is changed', async () => {
    const layer = 'base_model.model.decoder.block.1.layer.1.EncDecAttention.v.lora_B.weight';
    const folder = await damaged('adapter_model.safetensors', layer, (values) => values.fill(0));
    const names = failed(await weightsCheck(folder));
    expect(names).toContain('expect.answer_logits');
    expect(names).not.toContain('expect.encoder');
  });

  it('closes the reference file when the model cannot be loaded', async () => {
    const folder = await mkdtemp(join(scratch, 'open-'));
    await cp(REFERENCE, folder, { recursive: true });
    const close = vi.spyOn(SafetensorsFile.prototype, 'close');
    for (const name of ['model.safetensors', 'config.json']) {
      await rm(join(folder, name));
      close.mockClear();
      await weightsCheck(folder).catch(() => undefined);
      expect(close.mock.calls.length, `the reference file, without ${name}`).toBe(1);
    }
    close.mockRestore();
  });

  it('agrees that the mean over no reasoning at all is not a number', async () => {
    const folder = await damaged('reference.safetensors', 'expect.loss', (values) => values.fill(Number.NaN));
    const path = join(folder, 'reference.safetensors');
    const [tensors, metadata] = await withFile(path, async (file) => [await allTensors(file), file.metadata]);
    tensors.get('input.reasoning_labels').data.fill(-100);
    for (const name of ['expect.loss_reasoning', 'expect.adamw_losses'])
      tensors.get(name).data.fill(Number.NaN);
    await writeSafetensors(path, tensors, metadata);
    const { rows } = await weightsCheck(folder);
    const undefinedLosses = ['expect.loss_reasoning', 'expect.loss', 'expect.adamw_losses'];
    for (const name of undefinedLosses)
      expect(rows.find((row) => row.name === name)).toMatchObject({ ok: true });
  });

  it('counts a NaN as a failure', async () => {
    const folder = await damaged('reference.safetensors', 'expect.qformer', (values) => {
      values[0] = Number.NaN;
    });
    expect(failed(await weightsCheck(folder))).toEqual(['expect.qformer']);
  });

  it('fails for an expectation that it does not know', async () => {
    const folder = await damaged('reference.safetensors', 'expect.loss', () => undefined);
    const path = join(folder, 'reference.safetensors');
    const [tensors, metadata] = await withFile(path, async (file) => [await allTensors(file), file.metadata]);
    tensors.set('expect.something_else', { dtype: 'F32', shape: [1], data: new Float32Array(1) });
    await writeSafetensors(path, tensors, metadata);
    expect(failed(await weightsCheck(folder))).toEqual(['expect.something_else (not computed)']);
  });

  it.each([
    ['reference.safetensors', /reference\.safetensors: no such file/],
    ['model.safetensors', /model\.safetensors/],
    ['config.json', /config\.json: no such file/],
    ['adapter_config.json', /adapter_config\.json/],
  ])('names %s when it is missing, in one line', async (name, message) => {
    const folder = await mkdtemp(join(scratch, 'part-'));
    await cp(REFERENCE, folder, { recursive: true });
    await rm(join(folder, name));
    const error = await weightsCheck(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  it.each([
    ['input.prompt_ids', (t) => t.data.fill(48), /holds 48, expected ids from 0 to 47/],
    ['input.frame_prefix_ids', (t) => t.data.fill(-100), /holds -100, expected ids from 0 to 47/],
    ['input.answer_labels', (t) => t.data.fill(-1), /holds -1, expected/],
    ['input.prompt_mask', (t) => t.shape.reverse(), /has shape \(\d+, 3\), expected \(3, \d+\)/],
    ['input.reasoning_labels', (t) => t.shape.reverse(), /has shape \(12, 3\), expected \(3, tokens\)/],
    ['input.pixel_values', (t) => t.shape.reverse(), /expected \(videos, frames, 3, 22, 22\)/],
  ] as [string, (tensor: { shape: number[]; data: Int32Array }) => unknown, RegExp][])(
    'names %s when it does not fit the model',
    async (name, change, message) => {
      const folder = await damaged('reference.safetensors', 'expect.loss', () => undefined);
      const path = join(folder, 'reference.safetensors');
      const [tensors, metadata] = await withFile(path, async (file) => [
        await allTensors(file),
        file.metadata,
      ]);
      change(tensors.get(name));
      await writeSafetensors(path, tensors, metadata);
      const error = await weightsCheck(folder).catch((e) => e);
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toContain(`${path}: ${name} `);
      expect(error.message).toMatch(message);
    },
  );

  it('names a setting that is missing from the metadata', async () => {
    const folder = await damaged('reference.safetensors', 'expect.loss', () => undefined);
    const path = join(folder, 'reference.safetensors');
    const [tensors, metadata] = await withFile(path, async (file) => [await allTensors(file), file.metadata]);
    delete metadata.adamw_lr;
    await writeSafetensors(path, tensors, metadata);
    await expect(weightsCheck(folder)).rejects.toThrow(
      `${path}: metadata adamw_lr is nothing, expected a number`,
    );
  });

  it('names a truncated reference file', async () => {
    const folder = await mkdtemp(join(scratch, 'cut-'));
    await cp(REFERENCE, folder, { recursive: true });
    const path = join(folder, 'reference.safetensors');
    const bytes = await readFile(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 100));
    const error = await weightsCheck(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/reference\.safetensors/);
  });
});

const tinyA = sharedPath('reference/tiny-a');

describeWithShared('the shared reference folder tiny-a', ['reference/tiny-a'], () => {
  beforeAll(useFastEngine);

  it('agrees up to the encoder', async () => {
    // tiny-a's decoder expectations come from a decoder embedding table that its model.safetensors does not hold
    // (transformers loading the same folder computes our numbers), so only what precedes the decoder can be compared.
    const { rows } = await weightsCheck(tinyA!);
    for (const name of ['expect.vision', 'expect.qformer', 'expect.projection', 'expect.encoder'])
      expect(rows.find((row) => row.name === name)).toMatchObject({ ok: true });
  });
});
