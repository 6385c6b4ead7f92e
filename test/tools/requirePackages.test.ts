/** Compiled sources that require what they imported. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
// @ts-expect-error a tool without declarations
import { requirePackages } from '../../tools/require-packages.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FILES = {
  'top.js': `import * as tf from '@tensorflow/tfjs-core';
import sharp, { kernel } from 'sharp';
import { inner } from './deep/er/inner.js';
export { tf, sharp, kernel, inner };
export const text = "from '@tensorflow/tfjs-core-other'";
`,
  'deep/er/inner.js': `import '@tensorflow/tfjs-backend-cpu';
import { Tensor } from '@tensorflow/tfjs-core';
export { layers } from '@tensorflow/tfjs-layers';
export const inner = Tensor;
export const later = () => import('sharp');
`,
};

let folder: string;
beforeAll(async () => {
  // Below the checkout, where its packages are found.
  await mkdir(join(root, 'build'), { recursive: true });
  folder = await mkdtemp(join(root, 'build/require-'));
  await mkdir(join(folder, 'deep/er'), { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  for (const [name, text] of Object.entries(FILES)) await writeFile(join(folder, name), text);
  requirePackages(folder);
});
afterAll(() => rm(folder, { recursive: true }));

it('have the names that they had, of the one instance that everybody has', async () => {
  const require = createRequire(import.meta.url);
  const top = await import(pathToFileURL(join(folder, 'top.js')).href);
  const inner = await import(pathToFileURL(join(folder, 'deep/er/inner.js')).href);
  const core = require('@tensorflow/tfjs-core');
  for (const [name, value] of Object.entries(core)) expect(top.tf[name], name).toBe(value);
  expect(top.inner).toBe(core.Tensor);
  expect(inner.layers).toBe(require('@tensorflow/tfjs-layers').layers);
  expect(top.sharp).toBe(require('sharp'));
  expect(top.kernel).toBe(require('sharp').kernel);
  expect((await inner.later()).default).toBe(top.sharp);
});

it('import none of the packages, and other texts are left alone', async () => {
  for (const [name, text] of Object.entries(FILES)) {
    const changed = await readFile(join(folder, name), 'utf8');
    expect(changed.split('\n')).toHaveLength(text.split('\n').length);
    expect(changed).not.toMatch(
      /(from |import |import\()'(@tensorflow\/tfjs-(core|layers|backend-cpu)|sharp)'/,
    );
  }
  expect(await readFile(join(folder, 'top.js'), 'utf8')).toContain("from '@tensorflow/tfjs-core-other'");
});
