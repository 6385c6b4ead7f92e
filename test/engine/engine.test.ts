/** Choosing an engine, bad settings, and the report of doctor. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { EngineError, UsageError } from '../../src/base/errors.js';
import { currentEngine, type EngineName, selectEngine } from '../../src/engine/engine.js';
import { addonPath } from '../../src/engine/native/load.js';
import { engineReport } from '../../src/engine/report.js';

describe('choosing an engine', () => {
  it('takes the GPU for auto where there is one, else native-cpu without a word, and describes it', async () => {
    const engine = await selectEngine('auto');
    const { cpu, gpu } = engineReport();
    expect(engine).toMatchObject(
      gpu.found
        ? { name: 'native-cuda', isa: gpu.found.architecture }
        : { name: 'native-cpu', isa: cpu.bestInstructionSet },
    );
    if (/no NVIDIA driver/.test(gpu.missing ?? '')) expect(engine.reason).toBeUndefined();
    expect(engine.description).toContain(gpu.found ? gpu.found.name : `${engine.threads} thread`);
    expect(currentEngine()).toEqual(engine);
    expect(tf.getBackend()).toBe(engine.name);
  });

  it.each(['wasm', 'cpu'] as const)('takes %s when asked', async (name) => {
    expect(await selectEngine(name)).toMatchObject({ name, threads: 1 });
    expect(tf.getBackend()).toBe(name);
  });

  it('sets the thread count', async () => {
    expect((await selectEngine('native-cpu', { threads: 3 })).threads).toBe(3);
    expect((await selectEngine('native-cpu', { threads: 2 })).description).toContain('2 threads');
  });

  it('rejects an unknown name with the list', async () => {
    await expect(selectEngine('gpu' as EngineName)).rejects.toThrow(UsageError);
    await expect(selectEngine('gpu' as EngineName)).rejects.toThrow(/expected one of auto, native-cpu/);
  });
});

describe('bad settings', () => {
  afterEach(() => vi.unstubAllEnvs());

  it.each(['0', '-1', 'two', '1.5', '99999', '2x'])(
    'REASVQA_THREADS=%s stops every engine',
    async (threads) => {
      vi.stubEnv('REASVQA_THREADS', threads);
      for (const name of ['auto', 'native-cpu'] as const) {
        await expect(selectEngine(name)).rejects.toThrow(EngineError);
        await expect(selectEngine(name)).rejects.toThrow(
          `REASVQA_THREADS=${threads}: expected a whole number`,
        );
      }
    },
  );

  it.each([0, -3, 1.5, Number.NaN, 1025])('--threads %s is refused', async (threads) => {
    const error = await selectEngine('auto', { threads }).catch((e) => e);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(/--threads .*: expected a whole number/);
  });

  it('REASVQA_ISA must be known', async () => {
    vi.stubEnv('REASVQA_ISA', 'neon');
    await expect(selectEngine('auto')).rejects.toThrow('REASVQA_ISA=neon: expected plain, avx2 or avx512');
  });
});

describe('an addon that cannot be used', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'reasvqa-addon-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  const make: Record<string, [write: (path: string) => void, message: RegExp]> = {
    missing: [() => {}, /not built .* does not exist\): build it with/],
    empty: [(path) => writeFileSync(path, ''), /half built .*: build it with/],
    'half written': [
      (path) => writeFileSync(path, readFileSync(addonPath()).subarray(0, 60_000)),
      /cut short: 60000 of \d+ bytes/,
    ],
    'not a library': [
      (path) => writeFileSync(path, 'hello'.repeat(1000)),
      /damaged, half built or built for another machine/,
    ],
    'built for another machine': [
      (path) => {
        const bytes = readFileSync(addonPath());
        bytes[18] = 0xf3; // e_machine: RISC-V
        bytes[19] = 0;
        writeFileSync(path, bytes);
      },
      /built for another machine/,
    ],
  };

  it.each(Object.keys(make))('%s: native-cpu is an error, auto is wasm with the reason', async (kind) => {
    const [write, message] = make[kind]!;
    const path = join(folder, `${kind.replaceAll(' ', '-')}.node`);
    write(path);
    vi.stubEnv('REASVQA_ADDON', path);
    vi.resetModules();
    const fresh = await import('../../src/engine/engine.js');
    const error = (await fresh.selectEngine('native-cpu').catch((e: unknown) => e)) as Error & {
      exitCode: number;
    };
    expect(error.name).toBe('EngineError');
    expect(error.exitCode).toBe(4);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
    const engine = await fresh.selectEngine('auto');
    expect(engine.name).toBe('wasm');
    expect(engine.reason).toMatch(/^native-cpu cannot be used: /);
    expect(engine.reason).toMatch(message);
    const { engineReport: report } = await import('../../src/engine/report.js');
    expect(report().addon).toMatchObject({ path, loaded: false });
    expect(report().missing[0]!.what).toMatch(/^native addon/);
  });

  it('a copy elsewhere works', async () => {
    const path = join(folder, 'copy.node');
    copyFileSync(addonPath(), path);
    vi.stubEnv('REASVQA_ADDON', path);
    vi.resetModules();
    const { loadAddon } = await import('../../src/engine/native/load.js');
    const device = loadAddon(path);
    const id = device.allocate(4);
    device.write(id, Float32Array.of(7));
    const read = new Float32Array(1);
    device.read(id, read);
    expect(read[0]).toBe(7);
    device.release(id);
  });
});

describe('engine report', () => {
  it('names engine, instruction set, threads, memory, versions and tools', async () => {
    await selectEngine('native-cpu');
    const report = engineReport();
    expect(report.engine?.name).toBe('native-cpu');
    expect(report.addon).toMatchObject({ built: true, loaded: true });
    expect(report.cpu.threads).toBe(report.engine?.threads);
    expect(['plain', 'avx2', 'avx512']).toContain(report.cpu.instructionSet);
    expect(report.memory.native?.inUse).toBeGreaterThanOrEqual(0);
    expect(report.memory.resident).toBeGreaterThan(1e7);
    expect(report.versions).toMatchObject({ node: process.version, tfjs: '4.22.0' });
    expect(report.kernels.native.length).toBeGreaterThanOrEqual(61);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
  });

  it('names missing parts and how to get them', () => {
    vi.stubEnv('PATH', '/nonexistent');
    const { missing, tools } = engineReport();
    vi.unstubAllEnvs();
    expect(tools.ffmpeg).toBeUndefined();
    expect(missing).toContainEqual(
      expect.objectContaining({
        what: 'ffmpeg and ffprobe',
        how: expect.stringContaining('apt install ffmpeg'),
      }),
    );
  });
});
