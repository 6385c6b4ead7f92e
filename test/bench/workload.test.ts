/** Workload files: those that ship, and errors of bad ones. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shapesOf } from '../../bench/speed/gemm.mjs';
import { promptLength, readWorkload } from '../../bench/speed/workload.mjs';
import { DataError } from '../../src/base/errors.js';
import { type BenchLibrary, loadLibrary } from '../../src/commands/bench.js';
import { sharedPath } from '../support/shared.js';
import { workloadJson, workloadPath } from './support.js';

let folder: string;
let lib: BenchLibrary;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-bench-'));
  lib = await loadLibrary();
});
afterAll(() => rm(folder, { recursive: true }));

describe('workloads that ship', () => {
  it.each(['tiny', 'small', 'xl'])('%s is read', async (name) => {
    const workload = await readWorkload(lib, workloadPath(name));
    expect(workload.name).toBe(name);
    expect(workload.what).not.toBe('');
    expect(workload.kind.modelType).toBe('blip-2');
    expect(workload.config.text_config.tie_word_embeddings).toBe(false);
  });

  it.each([
    ['tiny-decoder', 2 * 4 + 1 + 7],
    ['small-decoder', 4 * 16 + 1 + 64],
    ['llava-0.5b', 4 * 196 + 1 + 95],
    ['llava-7b', 4 * 196 + 1 + 95],
  ])('%s is a decoder-only one with %i tokens before what it writes', async (name, length) => {
    const workload = await readWorkload(lib, workloadPath(name));
    expect(workload.what).not.toBe('');
    expect(workload.kind.modelType).toBe('llava_onevision');
    expect(promptLength(workload)).toBe(length);
    const scores = shapesOf(workload).find((shape: { name: string }) => shape.name === 'attention scores');
    const { num_attention_heads: heads, head_dim } = workload.config.text_config;
    expect(scores).toMatchObject({ batch: workload.batch.videos * heads, m: length, n: length, k: head_dim });
  });

  it('small has the sequence lengths of its file', async () => {
    const workload = await readWorkload(lib, workloadPath('small'));
    expect(promptLength(workload)).toBe(4 * (4 + 16) + 64);
    const scores = shapesOf(workload).find((shape: { name: string }) => shape.name === 'attention scores');
    expect(scores).toMatchObject({ batch: 8 * 6, m: 144, n: 144, k: 64, transA: false, transB: true });
  });

  const shared = sharedPath('bench/small.json');
  it.skipIf(!shared)(
    `small and xl are the shared ones${shared ? '' : ' (SKIPPED: ../shared is not there)'}`,
    async () => {
      for (const name of ['small', 'xl'])
        expect(workloadJson(name)).toEqual(
          JSON.parse(await readFile(sharedPath(`bench/${name}.json`)!, 'utf8')),
        );
    },
  );
});

describe('a bad workload is one line that names file, key and expectation', () => {
  const cases: [string, (json: ReturnType<typeof workloadJson>) => unknown, RegExp][] = [
    ['no object', () => [], /the file: expected an object/],
    ['no batch', ({ batch: _, ...rest }) => rest, /batch: expected an object/],
    ['a fraction', (json) => set(json, 'batch', { frames: 1.5 }), /batch\.frames: expected a whole number/],
    [
      'no video',
      (json) => set(json, 'batch', { videos: 0 }),
      /batch\.videos: expected a whole number from 1/,
    ],
    ['a negative prefix', (json) => set(json, 'batch', { prefix: -1 }), /batch\.prefix: .* from 0/],
    ['no rank', (json) => set(json, 'lora', { r: 0 }), /lora\.r: expected a whole number from 1/],
    ['no alpha', (json) => set(json, 'lora', { lora_alpha: null }), /lora\.lora_alpha: expected a number/],
    ['dropout 1', (json) => set(json, 'lora', { lora_dropout: 1 }), /lora\.lora_dropout: .* below 1/],
    [
      'no targets',
      (json) => set(json, 'lora', { target_modules: [] }),
      /lora\.target_modules: expected a list/,
    ],
    ['no config', (json) => set(json, 'config', { text_config: 3 }), /config: text_config/],
  ];
  it.each(cases)('%s', async (_, change, message) => {
    const path = join(folder, 'bad.json');
    await writeFile(path, JSON.stringify(change(workloadJson('tiny'))));
    const error = await readWorkload(lib, path).catch((e: unknown) => e as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).not.toContain('\n');
  });

  it('text between the frames of a student that has none', async () => {
    const path = join(folder, 'prefix.json');
    const json = workloadJson('tiny-decoder');
    json.batch.prefix = 2;
    await writeFile(path, JSON.stringify(json));
    await expect(readWorkload(lib, path)).rejects.toThrow(/batch\.prefix: expected 0: LLaVA-OneVision/);
  });

  it('a file that is missing or no JSON', async () => {
    await expect(readWorkload(lib, join(folder, 'none.json'))).rejects.toThrow('no such file');
    await writeFile(join(folder, 'torn.json'), '{"config": ');
    await expect(readWorkload(lib, join(folder, 'torn.json'))).rejects.toThrow('not JSON');
  });
});

function set(json: Record<string, object>, key: string, fields: object): unknown {
  return { ...json, [key]: { ...json[key], ...fields } };
}
