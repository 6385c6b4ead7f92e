import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStudent } from '../../src/training/student.js';
import { useFastEngine } from '../model/support.js';
import { makeBase, worldConfig } from './support.js';

let scratch: string;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-student-'));
});
afterAll(() => rm(scratch, { recursive: true }));

it('keeps features under another hash when config.json changes what the same vision weights compute', async () => {
  const base = join(scratch, 'base');
  await makeBase(base, 0);
  const config = await worldConfig({ folder: scratch, data: join(scratch, 'data'), base });
  const path = join(base, 'config.json');
  const written = await readFile(path, 'utf8');
  const hashWith = async (change: Record<string, number>) => {
    const json = JSON.parse(written);
    Object.assign(json.vision_config, change);
    await writeFile(path, JSON.stringify(json));
    const student = await openStudent(config);
    student.model.dispose();
    return student.visionHash;
  };
  const first = await hashWith({});
  expect(await hashWith({})).toBe(first);
  expect(await hashWith({ layer_norm_eps: 1e-3 })).not.toBe(first);
  expect(await hashWith({ num_attention_heads: 1 })).not.toBe(first);
});
