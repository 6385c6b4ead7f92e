/** Padding of a batch: of prompts and of targets. */
import { expect, it } from 'vitest';
import { decoderPadding, encoderPadding } from '../../src/batches/padding.js';

const row = (length: number) => Array.from({ length }, () => 1);

it('of prompts is what they lack to the longest, prompts of a target included', () => {
  const prompts = [row(3), row(5), row(4)];
  expect(encoderPadding(prompts, [])).toEqual({ positions: 15, padded: 3 });
  const second = { name: 'reasoning', rows: [], prompts: [row(1), row(2), row(2)] };
  expect(encoderPadding(prompts, [second])).toEqual({ positions: 21, padded: 4 });
});

it('of targets counts each padded by itself, and none that has no token', () => {
  const qa = { name: 'qa', rows: [row(2), row(2)] };
  const reasoning = { name: 'reasoning', rows: [row(0), row(10)] };
  expect(decoderPadding([qa])).toEqual({ positions: 4, padded: 0 });
  expect(decoderPadding([qa, reasoning])).toEqual({ positions: 24, padded: 10 });
  expect(decoderPadding([{ name: 'none', rows: [row(0), row(0)] }])).toEqual({ positions: 0, padded: 0 });
  expect(decoderPadding([])).toEqual({ positions: 0, padded: 0 });
});
