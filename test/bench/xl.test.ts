/**
 * A training step of the 3.9 B-parameter student at its true sizes, on the CUDA shim that computes nothing
 * (CUDA_SHIM_HOLLOW): what the allocator hands out is what it would on a GPU.
 */
import { describe, expect, it } from 'vitest';
import { cudaMissing, onGpu } from '../support/cuda.js';
import { hollowStep } from './support.js';

const missing = onGpu ? 'a GPU computes what it is given' : cudaMissing;
describe.skipIf(missing !== undefined)(
  `the step of bench/speed/workloads/xl.json${missing ? ` (SKIPPED: ${missing})` : ''}`,
  () => {
    it.each([
      ['live', '14.25GiB', 14.3e9, []],
      ['cached', '12GiB', 11.95e9, ['--recompute', 'light']],
      ['live', '10.75GiB', 10.5e9, ['--recompute']],
    ])('fits, with %s features, into %s, %d bytes at once %j', (features, limit, most, options) => {
      const given = ['--features', features, '--gpu-memory', limit, ...options];
      const { status, stdout, stderr } = hollowStep('xl', ...given);
      expect(status, stderr).toBe(0);
      const { memory, steps } = JSON.parse(stdout);
      expect(steps).toBe(2);
      expect(memory.peak).toBeGreaterThan(memory.inUse);
      // README.md names these peaks; what any part of the step keeps too long is more than the room here.
      expect(memory.peak).toBeLessThan(most);
      expect(memory.inUse).toBeLessThan(9.2e9);
    });
  },
);
