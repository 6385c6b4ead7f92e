/** The head of LLaVA-OneVision: the embedding's table, one of its own, or a copy, whatever config.json says. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataError } from '../../../src/base/errors.js';
import type { LlavaStudent } from '../../../src/model/llava/student.js';
import { loadStudent } from '../../../src/model/load.js';
import { writeSafetensors } from '../../../src/weights/safetensors.js';
import { withFile } from '../../weights/fixtures.js';
import { useFastEngine } from '../support.js';
import { LAYOUTS, spokenJson, writeCheckpoint } from './support.js';

const TABLE = 'model.language_model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

let scratch: string;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-llava-head-'));
});
afterAll(() => rm(scratch, { recursive: true }));

interface Table {
  dtype: 'F32';
  shape: number[];
  data: Float32Array;
}

/** A checkpoint with the head that `headOf` makes of the embedding, if any. */
async function checkpoint(
  layout: keyof typeof LAYOUTS,
  tied: boolean,
  headOf: (table: Table) => Table | undefined,
): Promise<string> {
  const folder = await mkdtemp(join(scratch, 'base-'));
  await writeCheckpoint(folder, { layout, json: spokenJson({ tie_word_embeddings: tied }) });
  const path = join(folder, 'model.safetensors');
  const tensors = await withFile(path, async (file) => {
    const found = new Map<string, Table>();
    for (const name of file.names) {
      const { shape, data } = await file.read(name);
      found.set(name, { dtype: 'F32', shape, data: data as Float32Array });
    }
    return found;
  });
  tensors.delete(LAYOUTS[layout](HEAD));
  const head = headOf(tensors.get(LAYOUTS[layout](TABLE))!);
  if (head) tensors.set(LAYOUTS[layout](HEAD), head);
  await writeSafetensors(path, tensors);
  return folder;
}

const doubled = (table: Table): Table => ({ ...table, data: table.data.map((value) => 2 * value) });
const cut = ({ shape: [rows, width], data, dtype }: Table): Table => ({
  dtype,
  shape: [rows! - 1, width!],
  data: data.slice(width),
});

it.each<[string, boolean, (table: Table) => Table | undefined, 1 | 2]>([
  ['the embedding, where it is tied and absent', true, () => undefined, 1],
  ['the embedding, where it is tied and a copy', true, (table) => table, 1],
  ['its own, where it is tied and has other values', true, doubled, 2],
  ['its own, where it is not tied', false, doubled, 2],
])('the head is %s', async (_, tied, headOf, factor) => {
  for (const layout of ['published', 'modules'] as const) {
    const { student, comparison } = await loadStudent(await checkpoint(layout, tied, headOf));
    const { module } = student as LlavaStudent;
    const table = module.languageModel.table.dataSync();
    expect(module.head.dataSync()).toEqual(table.map((value) => factor * value));
    expect(comparison.own).toEqual(tied && factor === 2 ? [HEAD] : []);
    // A copy is no tensor without a place.
    expect(comparison.unexpected).toEqual([]);
    student.dispose();
  }
});

it.each([
  [
    'a head of another shape',
    true,
    cut,
    /tensor lm_head\.weight has shape \[463, 16\], expected \[464, 16\]/,
  ],
  ['an untied head of another shape', false, cut, /tensor lm_head\.weight has shape \[463, 16\]/],
  ['an untied head that is absent', false, () => undefined, /missing tensor lm_head\.weight/],
] as const)('%s is refused by name', async (_, tied, headOf, message) => {
  const folder = await checkpoint('published', tied, headOf);
  const error = await loadStudent(folder).catch((e) => e);
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toMatch(message);
});
