/** The thread pool. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fusedCalls, type Operand } from '../../src/engine/native/calls.js';
import { nativeDevice } from '../../src/engine/native/load.js';

const device = nativeDevice();
const before = device.threads();
beforeAll(() => device.setThreads(3));
afterAll(() => device.setThreads(before));

const filled = (n: number, value: number): number => {
  const id = device.allocate(4 * n);
  device.fill(0, id, n, value);
  return id;
};

it('cuts more chunks than one region numbers, each as long as it was asked to be', () => {
  // A bias's gradient: two sums within each chunk of 64 rows, then over the chunks.
  const chunks = 65_537;
  const rows = 64 * (chunks - 1) + 1;
  const [dy, x, dweight, dbias] = [filled(rows, 1), filled(rows, 0), filled(1, 0), filled(1, 0)];
  // The space for those sums is memory used before: what it holds would show, were a chunk left out.
  device.release(filled(2 * chunks, 7));
  const of = (id: number, ...shape: number[]): Operand => ({ id, shape });
  const calls = fusedCalls(device, ({ id }: Operand) => id);
  calls.layerNormGradParameters(
    { dy: of(dy!, rows, 1), x: of(x!, rows, 1) },
    { eps: 1e-6 },
    { dweight: of(dweight!, 1), dbias: of(dbias!, 1) },
  );
  device.layerNormGradParameters!();
  const sum = new Float32Array(1);
  device.read(dbias!, sum);
  for (const id of [dy, x, dweight, dbias]) device.release(id!);
  expect(sum[0]).toBe(rows);
});
