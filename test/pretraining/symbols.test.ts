/** Frames as symbols. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import { SceneSymbols, SLOTS } from '../../src/pretraining/symbols.js';
import { simulateClip } from '../../src/shapes/simulate.js';

const clips = Array.from({ length: 12 }, (_, i) => simulateClip(`symbols-test/${i}`));
const WIDTH = 128;

beforeAll(async () => {
  await selectEngine('cpu');
});

describe('scene symbols', () => {
  const symbols = new SceneSymbols(WIDTH);

  it('are four frames of seven tokens of about unit variance, the same every time', () => {
    const tokens = symbols.tokens(clips);
    expect(tokens.shape).toEqual([clips.length * 4, SLOTS, WIDTH]);
    const { variance } = tf.moments(tokens);
    expect(variance.dataSync()[0]).toBeGreaterThan(0.4);
    expect(variance.dataSync()[0]).toBeLessThan(1.1);
    expect(new SceneSymbols(WIDTH).tokens(clips).dataSync()).toEqual(tokens.dataSync());
  });

  it('can all be read off their own tokens, most of them through noise, and none off another clip', () => {
    const tokens = symbols.tokens(clips);
    expect(symbols.accuracy(tokens, clips)).toBe(1);
    const rng = new Rng('noise');
    const noise = tf.tensor3d(
      Float32Array.from({ length: tokens.size }, () => 0.5 * rng.normal()),
      tokens.shape,
    );
    expect(symbols.accuracy(tf.add(tokens, noise), clips)).toBeGreaterThan(0.9);
    const others = symbols.tokens(clips.map((_, i) => simulateClip(`symbols-test/other/${i}`)));
    expect(symbols.accuracy(others, clips)).toBeLessThan(0.1);
  });

  it('differ between two clips exactly in the frames and slots that differ', () => {
    const [clip] = clips;
    const moved = {
      ...clip!,
      background: clip!.background === 'gray' ? ('navy' as const) : ('gray' as const),
    };
    const distance = tf.sum(tf.abs(tf.sub(symbols.tokens([clip!]), symbols.tokens([moved]))), 2);
    const perSlot = distance.arraySync() as number[][];
    for (const frame of perSlot) {
      expect(frame.slice(0, SLOTS - 1)).toEqual(new Array(SLOTS - 1).fill(0));
      expect(frame.at(-1)).toBeGreaterThan(1);
    }
  });
});
