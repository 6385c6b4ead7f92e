/** Git LFS pointers in the place of weights. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { readStudentConfig } from '../../src/model/registry.js';
import { findTokenizerFiles } from '../../src/text/tokenizerFiles.js';
import { readAdapter } from '../../src/weights/peft.js';
import { openCheckpoint } from '../../src/weights/sharded.js';
import { writeTinyTokenizer } from '../text/tinyTokenizer.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reasvqa-not-weights-'));
});
afterAll(() => rm(root, { recursive: true }));

const pointer = (size: number) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${'5a'.repeat(32)}\nsize ${size}\n`;

describe('a Git LFS pointer', () => {
  it.each<[string, (folder: string) => Promise<unknown>]>([
    ['config.json', readStudentConfig],
    ['model.safetensors', openCheckpoint],
    ['model-00001-of-00001.safetensors', openCheckpoint],
    ['model.safetensors.index.json', openCheckpoint],
    ['adapter_config.json', readAdapter],
    ['adapter_model.safetensors', readAdapter],
    ['tokenizer.json', findTokenizerFiles],
    ['tokenizer_config.json', findTokenizerFiles],
  ])('in place of %s is named, and how to get the file', async (name, read) => {
    for (const size of [7, 15_800_000, 9_870_000_000]) {
      const folder = await mkdtemp(join(root, 'p-'));
      const tokenizer = name === 'tokenizer_config.json';
      if (tokenizer) await writeTinyTokenizer(folder);
      if (name === 'adapter_model.safetensors')
        await writeFile(join(folder, 'adapter_config.json'), '{"peft_type":"LORA","target_modules":["q"]}');
      await writeFile(join(folder, name), pointer(size));
      const error = (await read(folder).catch((e) => e)) as Error;
      expect(error).toBeInstanceOf(DataError);
      expect(error.message).toBe(
        `${join(folder, name)}: is a Git LFS pointer, not the file that it stands for; run \`git lfs pull\` in its repository`,
      );
    }
  });

  it('of a shard that an index names is found', async () => {
    const folder = await mkdtemp(join(root, 's-'));
    await writeFile(
      join(folder, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { a: 'm-1.safetensors' } }),
    );
    await writeFile(join(folder, 'm-1.safetensors'), pointer(1));
    await expect(openCheckpoint(folder)).rejects.toThrow(/m-1\.safetensors: is a Git LFS pointer/);
  });
});
