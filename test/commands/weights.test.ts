/** `weights show` on the command line. */
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

/** A checkpoint of CONFIG, changed: zeros, but ones in the tensor named. */
async function writeCheckpoint(
  change: (shapes: Map<string, number[]>) => void,
  ones?: string,
): Promise<void> {
  const shapes = expectedTensors(parseBlip2Config(CONFIG));
  change(shapes);
  const tensors = new Map(
    [...shapes].map(([name, shape]) => [
      name,
      {
        dtype: 'F32' as const,
        shape,
        data: new Float32Array(elements(shape)).fill(name === ones ? 1 : 0),
      },
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

  it('names tensors that are missing, of another shape and unexpected', async () => {
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
      unreadable: [],
      own: [],
      unread: [],
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

  it('lists a file without comparing, and says that a folder has no config.json', async () => {
    await writeCheckpoint(() => {});
    const file = await reasvqa(['weights', 'show', join(folder, 'model.safetensors')]);
    expect(file).toMatchObject({ code: 0, stderr: '' });
    expect(file.stdout).not.toContain('config.json');
    await rm(join(folder, 'config.json'));
    const bare = await reasvqa(['weights', 'show', folder, '--json']);
    expect(bare.code).toBe(0);
    expect(bare.stderr).toBe(
      `${folder}: no config.json in this folder, so the tensors are not compared with what a model needs\n`,
    );
    expect(JSON.parse(bare.stdout).comparison).toBeNull();
  });

  it.each<[unknown, RegExp]>([
    [{ text_config: { d_model: 'wide' } }, /config\.json: text_config\.d_model: /],
    [
      { ...CONFIG, model_type: 'instructblip' },
      /config\.json: model_type is "instructblip": this is InstructBLIP/,
    ],
    [{ ...CONFIG, text_config: { model_type: 'opt' } }, /config\.json: text_config\.model_type is "opt"/],
  ])('lists a folder whose config.json is of another model, and fails: %j', async (config, message) => {
    await writeCheckpoint(() => {});
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const other = await reasvqa(['weights', 'show', folder, '--json']);
    expect(other.code).toBe(3);
    expect(other.stderr).toMatch(message);
    expect(JSON.parse(other.stdout)).toMatchObject({
      comparison: null,
      totals: { tensors: expect.any(Number) },
    });
  });

  it.each(['F64', 'I32', 'U8', 'I8'] as const)(
    'fails for weights of type %s, one line a tensor',
    async (dtype) => {
      await writeCheckpoint(() => {});
      const path = join(folder, 'model.safetensors');
      const shapes = expectedTensors(parseBlip2Config(CONFIG));
      const typed = { F64: Float64Array, I32: Int32Array, U8: Uint8Array, I8: Int8Array }[dtype];
      const named = ['query_tokens', 'language_projection.weight', 'language_model.shared.weight'];
      const tensors = new Map(
        [...shapes].map(([name, shape]) => {
          const type = named.includes(name) ? typed : Float32Array;
          return [
            name,
            {
              dtype: named.includes(name) ? dtype : ('F32' as const),
              shape,
              data: new type(elements(shape)),
            },
          ];
        }),
      );
      await writeSafetensors(path, tensors);
      const { code, stdout, stderr } = await reasvqa(['weights', 'show', folder]);
      expect(code).toBe(3);
      for (const name of named)
        expect(stdout).toContain(`wrong type  ${name}: ${dtype}, expected F32, F16 or BF16\n`);
      expect(stderr).toMatch(/tensors that its config\.json asks for: 3 of a type that is not read/);
      expect(stdout).not.toContain('has every tensor');
    },
  );

  it('names a head of its own beside a configuration that ties it, and says nothing of a copy', async () => {
    await writeCheckpoint((shapes) => shapes.set('language_model.lm_head.weight', [20, 8]));
    const copy = await reasvqa(['weights', 'show', folder]);
    expect(copy).toMatchObject({ code: 0, stderr: '' });
    expect(copy.stdout).not.toContain('own table');
    await writeCheckpoint(
      (shapes) => shapes.set('language_model.lm_head.weight', [20, 8]),
      'language_model.lm_head.weight',
    );
    const own = await reasvqa(['weights', 'show', folder]);
    expect(own.code).toBe(0);
    expect(own.stdout).toMatch(
      /\nown table {3}language_model\.lm_head\.weight holds other values than .*tie_word_embeddings/,
    );
    expect(own.stdout).toMatch(/\nhas every tensor that config\.json asks for\n$/);
    await writeCheckpoint((shapes) => shapes.set('language_model.lm_head.weight', [8, 20]));
    const turned = await reasvqa(['weights', 'show', folder]);
    expect(turned.code).toBe(3);
    expect(turned.stdout).toContain('wrong shape language_model.lm_head.weight: [8, 20], expected [20, 8]');
  });

  it('reads shards without an index, and names those that model.safetensors leaves unread', async () => {
    await writeCheckpoint(() => {});
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const shapes = [...expectedTensors(parseBlip2Config(CONFIG))];
    for (const [i, name] of names.entries()) {
      const part = shapes.filter((_, at) => at % 2 === i);
      const tensors = part.map(
        ([tensor, shape]) =>
          [tensor, { dtype: 'F32' as const, shape, data: new Float32Array(elements(shape)) }] as const,
      );
      await writeSafetensors(join(folder, name), new Map(tensors));
    }
    await writeFile(join(folder, `._${names[0]}`), 'resource fork');
    const both = await reasvqa(['weights', 'show', folder]);
    expect(both.code).toBe(0);
    expect(both.stderr).toBe(
      names.map((name) => `${name}: not read, model.safetensors comes first\n`).join(''),
    );
    await rm(join(folder, 'model.safetensors'));
    const split = await reasvqa(['weights', 'show', folder]);
    expect(split).toMatchObject({ code: 0, stderr: '' });
    expect(split.stdout).toBe(both.stdout);
    await rm(join(folder, names[1]!));
    const half = await reasvqa(['weights', 'show', folder]);
    expect(half.code).toBe(3);
    expect(half.stderr).toContain(`missing are ${names[1]}`);
  });
});
