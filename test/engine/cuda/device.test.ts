/** The CUDA device layer: opening, memory, copies, products, launches, the kernel cache; on the shim or a real GPU. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Rng } from '../../../src/base/random.js';
import type { CudaDevice } from '../../../src/engine/native/addon.js';
import { cudaMissing, gpu, inChild, onGpu } from '../../support/cuda.js';

const bytesOf = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
const same = (a: Float32Array, b: Float32Array): boolean => bytesOf(a).equals(bytesOf(b));

describe.skipIf(cudaMissing !== undefined)(
  `CUDA device${cudaMissing ? ` (SKIPPED: ${cudaMissing})` : ''}`,
  () => {
    let device: CudaDevice;
    beforeEach(() => {
      device = gpu();
    });

    it('knows its GPU and libraries', () => {
      const info = device.info();
      expect(info.capability).toMatch(/^\d+\.\d$/);
      expect(info.architecture).toMatch(/^(sm|compute)_\d+$/);
      expect(info.totalMemory).toBeGreaterThanOrEqual(info.freeMemory);
      expect(info.driver).toMatch(/^\d+\.\d+$/);
      expect(Number.parseFloat(info.nvrtc)).toBeGreaterThanOrEqual(12);
      expect(info.cublasLt).toMatch(/^\d+\.\d+\.\d+$/);
      expect(info.index).toBeLessThan(info.count);
    });

    it('reads written values back, at every size and offset', () => {
      const rng = new Rng('copies');
      for (const n of [1, 3, 255, 1024, 70_001, 5_000_003]) {
        const values = Float32Array.from({ length: n }, () => rng.normal());
        const id = device.allocate(4 * n);
        const copy = values.slice();
        device.write(id, copy);
        // The staging memory must hold its own copy before write returns.
        copy.fill(0);
        const back = new Float32Array(n);
        device.read(id, back);
        expect(same(back, values)).toBe(true);
        const from = rng.int(n);
        const part = new Float32Array(n - from);
        device.read(id, part, 4 * from);
        expect(same(part, values.subarray(from))).toBe(true);
        device.release(id);
      }
    });

    it('refuses buffers that are not live, and more bytes than one has', () => {
      const id = device.allocate(8);
      expect(() => device.read(id, new Float32Array(3))).toThrow(/holds 8 bytes, 12 needed/);
      expect(() => device.write(id, new Float32Array(3))).toThrow(/holds 8 bytes, 12 needed/);
      device.release(id);
      expect(() => device.release(id)).toThrow(/not live \(released twice\?\)/);
      expect(() => device.read(id, new Float32Array(1))).toThrow(/not live \(used after release\?\)/);
      device.release(id, true);
    });

    it('counts bytes and buffers exactly', () => {
      const before = device.memory();
      const sizes = [1, 4, 4000, 3_000_000, 30_000_000];
      const ids = sizes.map((bytes) => device.allocate(bytes));
      const during = device.memory();
      expect(during.buffers - before.buffers).toBe(sizes.length);
      const total = sizes.reduce((a, b) => a + b, 0);
      expect(during.inUse - before.inUse).toBeGreaterThanOrEqual(total);
      // Blocks are at most a granule, or a tail too small to be cut off, larger than what was asked for.
      expect(during.inUse - before.inUse).toBeLessThan(total + 2 * (1 << 20) + 5 * 512);
      for (const id of ids) device.release(id);
      const after = device.memory();
      expect([after.inUse, after.buffers]).toEqual([before.inUse, before.buffers]);
      device.resetPeak();
      expect(device.memory().peak).toBe(before.inUse);
      device.trim();
      expect(device.memory().cached).toBeLessThanOrEqual(before.cached);
    });

    it('multiplies odd shapes, transposed, batched, accumulating, as float64 does', () => {
      const rng = new Rng('products');
      for (let trial = 0; trial < 24; trial++) {
        const [m, n, k, batch] = [1 + rng.int(40), 1 + rng.int(40), 1 + rng.int(60), 1 + rng.int(3)];
        const [transA, transB, accumulate] = [rng.int(2), rng.int(2), rng.int(2)];
        const shared = rng.int(2) === 1;
        const random = (length: number): Float32Array => Float32Array.from({ length }, () => rng.normal());
        const [a, b, c] = [
          random(batch * m * k),
          random((shared ? 1 : batch) * k * n),
          random(batch * m * n),
        ];
        const expected = Float64Array.from(c, (x) => (accumulate ? x : 0));
        for (let item = 0; item < batch; item++)
          for (let i = 0; i < m; i++)
            for (let j = 0; j < n; j++)
              for (let l = 0; l < k; l++)
                expected[(item * m + i) * n + j]! +=
                  0.5 *
                  a[item * m * k + (transA ? l * m + i : i * k + l)]! *
                  b[(shared ? 0 : item) * k * n + (transB ? j * k + l : l * n + j)]!;
        const ids = [a, b, c].map((x) => {
          const id = device.allocate(x.byteLength);
          device.write(id, x);
          return id;
        }) as [number, number, number];
        const strides = [m * k, shared ? 0 : k * n, m * n] as const;
        device.matmul(...ids, batch, m, n, k, transA, transB, ...strides, 0.5, accumulate);
        const actual = new Float32Array(c.length);
        device.read(ids[2], actual);
        actual.forEach((x, i) => {
          expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-5 * (1 + Math.abs(expected[i]!)));
        });
        for (const id of ids) device.release(id);
      }
    });
  },
);

const onShim = describe.skipIf(cudaMissing !== undefined || onGpu);
const MEBIBYTE = 1 << 20;

// In processes of their own: the tests' variables switch caching off, so that the shim sees every buffer's borders.
onShim('the caching allocator, on the shim', () => {
  const caching = { REASVQA_CUDA_NO_CACHE: '0' };

  it('never gives two buffers the same memory, and counts exactly, over thousands of random steps', () => {
    const script = `
      let state = 12345;
      const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
      const live = new Map();
      const fail = (text) => { throw new Error(text); };
      const check = (id) => {
        const { n, mark } = live.get(id);
        const values = new Float32Array(n);
        cuda.read(id, values);
        if (!values.every((x) => x === mark)) fail('buffer ' + id + ' was overwritten');
      };
      for (let step = 0; step < 3000; step++) {
        if (live.size < 5 || (live.size < 60 && random(2))) {
          const n = 1 + random([40, 4000, 300000, 4000000][random(4)]);
          const id = cuda.allocate(4 * n);
          cuda.write(id, new Float32Array(n).fill(step));
          live.set(id, { n, mark: step });
        } else {
          const id = [...live.keys()][random(live.size)];
          check(id);
          live.delete(id);
          cuda.release(id);
        }
        const { inUse, buffers } = cuda.memory();
        let asked = 0;
        for (const { n } of live.values()) asked += 4 * n;
        if (buffers !== live.size) fail('buffers');
        if (inUse < asked || inUse > asked + live.size * ${MEBIBYTE}) fail('in use ' + inUse + ', asked ' + asked);
      }
      const { systemCalls } = cuda.memory();
      for (const id of live.keys()) { check(id); cuda.release(id); }
      cuda.trim();
      const { inUse, cached, buffers } = cuda.memory();
      console.log(inUse, cached, buffers, systemCalls < 300);`;
    expect(inChild(script, caching)).toMatchObject({ status: 0, stdout: '0 0 0 true\n' });
  });

  it('gives cached memory back before it says that memory is out, and stays usable after', () => {
    const script = `
      cuda.release(cuda.allocate(40 * ${MEBIBYTE}));
      const cached = cuda.memory().cached;
      const id = cuda.allocate(50 * ${MEBIBYTE});
      console.log(cached === 40 * ${MEBIBYTE}, cuda.memory().cached);
      try {
        cuda.allocate(30 * ${MEBIBYTE});
      } catch (error) {
        console.log(error.code, error.message);
      }
      cuda.release(id);
      cuda.write(cuda.allocate(60 * ${MEBIBYTE}), new Float32Array(15 * ${MEBIBYTE}));
      cuda.synchronize();
      console.log(cuda.memory().inUse === 60 * ${MEBIBYTE});`;
    const { stdout } = inChild(script, { ...caching, CUDA_SHIM_MEMORY: String(64 * MEBIBYTE) });
    const [first, second, third] = stdout.split('\n');
    expect(first).toBe('true 0');
    expect(second).toMatch(
      /^REASVQA_DEVICE out of GPU memory: 0\.03 GiB requested; 0\.05 GiB in use, 0\.00 GiB cached, 0\.01 GiB free of 0\.06 GiB; lower the batch size/,
    );
    expect(third).toBe('true');
  });

  it.each(['0', '1'])('uploads in order with kernels, however early the copies run (eager: %s)', (eager) => {
    // More than the ring of staging chunks holds, in pieces that end anywhere in a chunk, some of them small.
    const script = `
      const n = 900_001;
      const [x, sum, one] = [4 * n, 4 * n, 4].map((bytes) => cuda.allocate(bytes));
      cuda.write(sum, new Float32Array(n));
      let expected = 0;
      for (let i = 1; i <= 40; i++) {
        cuda.write(x, new Float32Array(n).fill(i));
        cuda.write(one, Float32Array.of(i));
        cuda.matmul(x, one, sum, 1, n, 1, 1, 0, 0, 0, 0, 0, 1, 1);
        expected += i * i;
      }
      const out = new Float32Array(n);
      cuda.read(sum, out);
      const { staging } = cuda.memory();
      console.log(out.every((value) => value === expected), staging / ${MEBIBYTE});`;
    expect(inChild(script, { ...caching, CUDA_SHIM_EAGER: eager })).toMatchObject({
      status: 0,
      stdout: 'true 32\n',
    });
  });

  it('counts the memory of uploads to what it took, and uploads without it where there is no room', () => {
    const script = `
      cuda.open(0, 24 * ${MEBIBYTE});
      const id = cuda.allocate(12 * ${MEBIBYTE});
      const values = Float32Array.from({ length: 3 * ${MEBIBYTE} }, (_, i) => i % 1000);
      cuda.write(id, values);
      const out = new Float32Array(values.length);
      cuda.read(id, out);
      const { staging, peakReserved } = cuda.memory();
      console.log(out.every((x, i) => x === values[i]), staging / ${MEBIBYTE}, peakReserved / ${MEBIBYTE});`;
    expect(inChild(script, caching).stdout).toBe('true 8 20\n');
  });

  it('keeps to a limit', () => {
    const script = `
      cuda.open(0, 32 * ${MEBIBYTE});
      const id = cuda.allocate(20 * ${MEBIBYTE});
      try {
        cuda.allocate(20 * ${MEBIBYTE});
      } catch (error) {
        console.log(error.message);
      }
      cuda.setMemoryLimit(0);
      cuda.allocate(20 * ${MEBIBYTE});
      console.log(cuda.memory().peakReserved === 40 * ${MEBIBYTE});`;
    const [first, second] = inChild(script, caching).stdout.split('\n');
    expect(first).toMatch(/limit 0\.03 GiB \(--gpu-memory\)/);
    expect(second).toBe('true');
  });
});

onShim('the kernel cache, on the shim', () => {
  const folder = mkdtempSync(join(tmpdir(), 'reasvqa-kernels-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const script = `
    const id = cuda.allocate(4);
    cuda.write(id, Float32Array.of(1.5));
    const out = new Float32Array(1);
    cuda.read(cuda.castStorage(id, 1), out);
    console.log(out[0], cuda.info().compiled);`;
  const run = () => inChild(script, { REASVQA_CACHE: folder });
  const file = () => join(folder, 'kernels', readdirSync(join(folder, 'kernels'))[0]!);

  it('is filled by the first process and used by the next', () => {
    expect(run()).toMatchObject({ status: 0, stdout: '1.5 1\n' });
    expect(readdirSync(join(folder, 'kernels'))).toHaveLength(1);
    expect(run()).toMatchObject({ status: 0, stdout: '1.5 0\n' });
  });

  it.each(['cut short', 'a byte changed', 'empty', 'another file'])(
    'compiles again when damaged: %s',
    (kind) => {
      const whole = readFileSync(file());
      const changed = Buffer.from(whole);
      changed[whole.length >> 1]! ^= 1;
      if (kind === 'cut short') truncateSync(file(), whole.length - 100);
      else if (kind === 'empty') truncateSync(file(), 0);
      else writeFileSync(file(), kind === 'another file' ? 'x'.repeat(5000) : changed);
      expect(run()).toMatchObject({ status: 0, stdout: '1.5 1\n' });
      expect(readFileSync(file()).length).toBeGreaterThan(1000);
      expect(run()).toMatchObject({ status: 0, stdout: '1.5 0\n' });
    },
  );

  it('is not needed: a folder that cannot be written costs time only', () => {
    const blocked = join(folder, 'file');
    writeFileSync(blocked, '');
    expect(inChild(script, { REASVQA_CACHE: blocked })).toMatchObject({ status: 0, stdout: '1.5 1\n' });
  });
});
