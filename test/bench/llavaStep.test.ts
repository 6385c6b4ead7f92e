/**
 * Training steps of LLaVA-OneVision 0.5B and 7B at their true sizes, 4 frames and batch 8, on the CUDA shim that computes
 * nothing: what the allocator hands out is what it would on a GPU.
 */
import { describe, expect, it } from 'vitest';
import { cudaMissing, onGpu } from '../support/cuda.js';
import { hollowStep } from './support.js';

const missing = onGpu ? 'a GPU computes what it is given' : cudaMissing;
describe.skipIf(missing !== undefined)(
  `the step of LLaVA-OneVision${missing ? ` (SKIPPED: ${missing})` : ''}`,
  () => {
    it.each([
      ['llava-0.5b', '6GiB', 5.6e9, 13.9e12],
      ['llava-7b', '32GiB', 31.6e9, 225e12],
    ])('%s fits into %s, %d bytes at once', (workload, limit, most, flops) => {
      const given = ['--features', 'cached', '--gpu-memory', limit, '--recompute'];
      const { status, stdout, stderr } = hollowStep(workload, ...given);
      expect(status, stderr).toBe(0);
      const report = JSON.parse(stdout);
      expect(report.steps).toBe(2);
      expect(report.fallbacks).toEqual({});
      expect(report.memory.peak).toBeGreaterThan(report.memory.inUse);
      expect(report.memory.peak).toBeLessThan(most);
      // As the sizes of the model say, for a prompt text of 95 tokens, an answer of 2 and a reasoning of 150.
      expect(Math.abs(report.flops.total / flops - 1)).toBeLessThan(0.05);
    });
  },
);
