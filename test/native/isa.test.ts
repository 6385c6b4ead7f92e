/** Instruction sets and their kernel objects. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addonPath } from '../../src/engine/native/load.js';
import { device, ISAS, MISSING_ISAS } from './support.js';

const objects = join(import.meta.dirname, '../../build/native/CMakeFiles');
const hasNm = spawnSync('nm', ['--version']).status === 0 && existsSync(objects);

/** Loads the addon in a process of its own and prints instruction set and threads. */
function load(env: Record<string, string>): { status: number | null; output: string } {
  const script = `const a = require(${JSON.stringify(addonPath())}); console.log(a.isa(), a.threads())`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, REASVQA_ISA: '', REASVQA_THREADS: '', ...env },
  });
  return { status, output: status === 0 ? stdout.trim() : stderr };
}

describe('instruction sets', () => {
  it.each(ISAS)('REASVQA_ISA=%s and REASVQA_THREADS are obeyed', (isa) => {
    expect(load({ REASVQA_ISA: isa, REASVQA_THREADS: '3' })).toEqual({ status: 0, output: `${isa} 3` });
  });

  it('takes the best one by default', () => {
    expect(load({}).output.split(' ')[0]).toBe(ISAS[ISAS.length - 1]);
  });

  it.skipIf(MISSING_ISAS.length === 0)(
    `refuses ${MISSING_ISAS.join(', ') || 'what this CPU lacks (it has all)'}`,
    () => {
      expect(load({ REASVQA_ISA: MISSING_ISAS[0]! }).output).toMatch(/this CPU has only/);
    },
  );

  it.each([
    [{ REASVQA_ISA: 'sse9' }, /REASVQA_ISA=sse9: expected plain, avx2 or avx512/],
    [{ REASVQA_THREADS: '0' }, /REASVQA_THREADS=0: expected a whole number from 1 to 1024/],
    [{ REASVQA_THREADS: '2x' }, /REASVQA_THREADS=2x: expected/],
    [{ REASVQA_THREADS: '-4' }, /REASVQA_THREADS=-4: expected/],
  ])('%o is a clear error at load', (env, message) => {
    const { status, output } = load(env as unknown as Record<string, string>);
    expect(status).not.toBe(0);
    expect(output).toMatch(message);
  });

  it('changes threads and instruction set at run time, refusing nonsense', () => {
    expect(() => device.setThreads(0)).toThrow(/expected a whole number/);
    expect(() => device.setThreads(1025)).toThrow(/expected a whole number/);
    expect(() => device.setIsa('mmx')).toThrow(/expected plain, avx2 or avx512/);
    expect(device.isa()).toBe(device.bestIsa());
  });
});

describe('kernel objects', () => {
  // A weak symbol could be merged by the linker across instruction sets and run AVX-512 code on an older CPU.
  it.skipIf(!hasNm)(
    `share no symbols across instruction sets${hasNm ? '' : ' (SKIPPED: nm or the build folder is absent)'}`,
    () => {
      const folders = readdirSync(objects).filter((name) => /^kernels_.*\.dir$/.test(name));
      expect(folders.length).toBeGreaterThan(0);
      for (const folder of folders) {
        const isa = /^kernels_(.*)\.dir$/.exec(folder)![1]!;
        const files = readdirSync(join(objects, folder), { recursive: true, encoding: 'utf8' }).filter((f) =>
          f.endsWith('.o'),
        );
        expect(files.length).toBeGreaterThan(5);
        for (const file of files) {
          const lines = execFileSync('nm', ['--defined-only', '-C', join(objects, folder, file)], {
            encoding: 'utf8',
          });
          const shared = lines
            .split('\n')
            .filter((line) => /^[0-9a-f]+ [A-Zu-w] /.test(line) && !line.includes(`isa_${isa}::`))
            .filter((line) => !/DW\.ref|__gxx_personality/.test(line));
          expect(shared, file).toEqual([]);
        }
      }
    },
  );
});
