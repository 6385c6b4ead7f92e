/** The files of a checkpoint at a path. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { findCheckpoint } from '../../src/weights/checkpointFiles.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reasvqa-files-'));
});
afterAll(() => rm(root, { recursive: true }));

/** A folder of empty files. */
async function holding(names: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(root, 'f-'));
  for (const name of names) await writeFile(join(folder, name), '');
  return folder;
}

const shards = (total: number, stem = 'model', first = 1) =>
  Array.from(
    { length: total },
    (_, i) =>
      `${stem}-${String(first + i).padStart(5, '0')}-of-${String(total).padStart(5, '0')}.safetensors`,
  );
const INDEX = 'model.safetensors.index.json';

describe('the checkpoint of a folder', () => {
  it.each<[string, string[], string]>([
    ['model.safetensors before all', ['model.safetensors', INDEX, 'other.safetensors'], 'model.safetensors'],
    ['the index before its shards', [INDEX, ...shards(2)], INDEX],
    ['an index of another name', ['model.fp16.safetensors.index.json'], 'model.fp16.safetensors.index.json'],
    ['the only file', ['other.safetensors', 'pytorch_model.bin'], 'other.safetensors'],
    ['no AppleDouble file', ['._model.safetensors', 'x.safetensors', '._x.safetensors'], 'x.safetensors'],
  ])('is %s', async (_, names, expected) => {
    const folder = await holding(names);
    expect((await findCheckpoint(folder)).path).toBe(join(folder, expected));
  });

  it.each<[string, string[], string[]]>([
    ['two shards', shards(2), shards(2)],
    ['one shard of one', shards(1), shards(1)],
    ['eleven shards in order', shards(11), shards(11)],
    ['shards counted from 0', shards(3, 'model', 0), shards(3, 'model', 0)],
    ['shards of another stem', shards(2, 'diffusion_pytorch_model'), shards(2, 'diffusion_pytorch_model')],
    ['the model’s shards beside other files', ['adapter_model.safetensors', ...shards(2)], shards(2)],
    ['the model’s shards beside another set', [...shards(2), ...shards(3, 'ema')], shards(2)],
    ['shards beside AppleDouble files', [...shards(2), ...shards(2).map((name) => `._${name}`)], shards(2)],
    ['shards beside the pickles they replace', ['pytorch_model-00001-of-00001.bin', ...shards(2)], shards(2)],
  ])('without an index is %s', async (_, names, expected) => {
    const folder = await holding(names);
    expect((await findCheckpoint(folder)).files).toEqual(expected.map((name) => join(folder, name)));
  });

  it.each([
    [[...shards(2)], shards(2)],
    [
      [INDEX, ...shards(2)],
      [INDEX, ...shards(2)],
    ],
    [['other.safetensors', '._model-00001-of-00001.safetensors'], []],
  ])('names %j as not read beside model.safetensors', async (names, unread) => {
    const folder = await holding(['model.safetensors', ...names]);
    expect(await findCheckpoint(folder)).toEqual({
      path: join(folder, 'model.safetensors'),
      files: [join(folder, 'model.safetensors')],
      unread,
    });
  });

  it.each<[string, string[], RegExp]>([
    [
      'the last of two shards is missing',
      shards(2).slice(0, 1),
      /of 2 shards 1 are there \(model-00001-of-00002\.safetensors\), and missing are model-00002-of-00002\.safetensors;/,
    ],
    [
      'the first is missing',
      shards(3).slice(1),
      /of 3 shards 2 are there .* missing are model-00001-of-00003\.safetensors;/,
    ],
    [
      'most are missing',
      shards(9).slice(4, 5),
      /missing are model-00001-of-00009\.safetensors, model-00002-of-.*, model-00003-of-00009\.safetensors and more;/,
    ],
    [
      'only AppleDouble stands for a shard',
      [shards(2)[0]!, `._${shards(2)[1]}`],
      /missing are model-00002-of-00002/,
    ],
    [
      'there are shards of two checkpoints',
      [...shards(2), ...shards(3)],
      /holds model-\*-of-00002\.safetensors, model-\*-of-00003\.safetensors; name the one/,
    ],
    [
      'there are several files',
      ['a.safetensors', 'b.safetensors'],
      /holds a\.safetensors, b\.safetensors; name the one/,
    ],
    ['it is empty', [], /no model\.safetensors or model\.safetensors\.index\.json in this folder/],
    ['it holds AppleDouble alone', ['._model.safetensors'], /no model\.safetensors or/],
    ['it holds what a Trainer leaves', ['training_args.bin', 'optimizer.pt'], /no model\.safetensors or/],
    [
      'it holds a pickle',
      ['pytorch_model.bin'],
      /pytorch_model\.bin: a Python pickle, which is not read; convert it/,
    ],
    [
      'it holds sharded pickles',
      ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin', 'training_args.bin'],
      /pytorch_model-00001-of-00002\.bin: a Python pickle/,
    ],
    [
      'it holds pickles of other names',
      ['consolidated.00.pth', 'params.json'],
      /consolidated\.00\.pth: a Python pickle/,
    ],
    [
      'a pickle lies beside AppleDouble',
      ['._model.safetensors', 'model.ckpt'],
      /model\.ckpt: a Python pickle/,
    ],
  ])('is refused where %s', async (_, names, message) => {
    const folder = await holding(names);
    const error = await findCheckpoint(folder).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(folder);
  });
});

describe('a path to a file', () => {
  it('is that file, whatever lies beside it', async () => {
    const folder = await holding(['model.safetensors', ...shards(2)]);
    const path = join(folder, shards(2)[1]!);
    expect(await findCheckpoint(path)).toEqual({ path, files: [path], unread: [] });
  });

  it.each(['eva_vit_g.pth', 'a.pt', 'a.CKPT', 'pytorch_model.bin', 'a.pkl'])(
    'is refused when it is %s',
    async (name) => {
      await expect(findCheckpoint(join(await holding([name]), name))).rejects.toThrow(
        /: a Python pickle, which is not/,
      );
    },
  );

  it('is refused when it is an index of pickles, and when it is not there', async () => {
    const name = 'pytorch_model.bin.index.json';
    await expect(findCheckpoint(join(await holding([name]), name))).rejects.toThrow(
      /an index of Python pickles/,
    );
    await expect(findCheckpoint(join(root, 'absent'))).rejects.toThrow(/absent: no such file or folder/);
  });
});
