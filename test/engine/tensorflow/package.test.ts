/** Finding and loading the user's package, over stand-ins in folders of their own. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EngineError } from '../../../src/base/errors.js';
import { findPackage, listPackages } from '../../../src/engine/tensorflow/package.js';
import { loadPackage } from '../../../src/engine/tensorflow.js';

let place: string;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'reasvqa tensorflow '));
});
afterEach(() => rm(place, { recursive: true }));

interface StandIn {
  version?: string;
  /** N of lib/napi-vN with the binary; none when absent. */
  napi?: number;
  /** index.js */
  code?: string;
}

async function install(name: string, { version = '4.22.0', napi, code = '' }: StandIn = {}): Promise<string> {
  const folder = join(place, 'node_modules/@tensorflow', name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: `@tensorflow/${name}`, version }));
  await writeFile(join(folder, 'index.js'), code);
  if (napi !== undefined) {
    await mkdir(join(folder, `lib/napi-v${napi}`), { recursive: true });
    await writeFile(join(folder, `lib/napi-v${napi}/tfjs_binding.node`), '');
  }
  return folder;
}

function failure(work: () => unknown): EngineError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(EngineError);
    expect((error as EngineError).exitCode).toBe(4);
    expect((error as EngineError).message).not.toContain('\n');
    return error as EngineError;
  }
  throw new Error('expected an error');
}

describe('finding the package', () => {
  it('absent: one sentence that says how', () => {
    expect(listPackages([place])).toEqual([]);
    expect(failure(() => findPackage([place])).message).toMatch(
      /^the engine tensorflow needs @tensorflow\/tfjs-node-gpu or @tensorflow\/tfjs-node 4\.22\.0, and neither is installed: run reasvqa doctor --fix tensorflow --python PYTHON .* or --libtensorflow FOLDER$/,
    );
  });

  it('present without its binary: another sentence, naming the folder', async () => {
    const folder = await install('tfjs-node-gpu');
    const { message } = failure(() => findPackage([place]));
    expect(message).toContain(`@tensorflow/tfjs-node-gpu 4.22.0 is installed in ${folder}, but its binary`);
    expect(message).toContain('build it with reasvqa doctor --fix tensorflow');
    expect(message).not.toContain('neither');
  });

  it('a binary for a newer Node-API than this Node has does not count', async () => {
    await install('tfjs-node', { napi: Number(process.versions.napi) + 1 });
    expect(failure(() => findPackage([place])).message).toContain('its binary');
  });

  it('of another version: says which is needed', async () => {
    await install('tfjs-node', { version: '4.21.0', napi: 8 });
    expect(failure(() => findPackage([place])).message).toContain(
      'is version 4.21.0, and this build needs 4.22.0',
    );
  });

  it('takes the GPU package first, but a complete one before one without its binary', async () => {
    await install('tfjs-node', { napi: 8 });
    await install('tfjs-node-gpu');
    expect(findPackage([place]).name).toBe('@tensorflow/tfjs-node');
    await install('tfjs-node-gpu', { napi: 8 });
    expect(findPackage([place])).toMatchObject({ name: '@tensorflow/tfjs-node-gpu', built: true });
  });

  it('looks from every place, also from folders below one that has it', async () => {
    const folder = await install('tfjs-node', { napi: 3 });
    const below = join(place, 'some/project');
    await mkdir(below, { recursive: true });
    expect(findPackage(['/nowhere', below]).folder).toBe(folder);
  });
});

describe('loading the package', () => {
  const load = async (code: string) => {
    await install('tfjs-node', { napi: 8, code });
    return failure(() => loadPackage(findPackage([place]))).message;
  };

  it('a library that is gone: says so and how to build again', async () => {
    const message = await load(
      "throw new Error('libtensorflow.so.2: cannot open shared object file: No such file\\nRequire stack:');",
    );
    expect(message).toContain(
      'cannot be loaded (libtensorflow.so.2: cannot open shared object file: No such file)',
    );
    expect(message).toContain('build it again with reasvqa doctor --fix tensorflow');
  });

  it('a TensorFlow.js of its own: its tensors would not be ours', async () => {
    const other = "exports.engine = () => ({}); exports.version = { 'tfjs-core': '4.22.0' };";
    expect(await load(other)).toContain('brings a TensorFlow.js of its own (tfjs-core 4.22.0)');
  });
});
