/** The rows of a key/value cache. */
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { hasFused } from '../../src/ops/kernels.js';
import { RowCache } from '../../src/ops/rowCache.js';
import { onEveryForm } from './support.js';

const ROWS = 140; // room ends after 64 and 128

onEveryForm('row cache', () => {
  it('has all rows so far, in order', () => {
    const before = tf.memory().numTensors;
    const cache = new RowCache();
    const values: number[] = [];
    for (let i = 0; i < ROWS; i++) {
      const row = [i, -i, i / 4, 0.5, 2 ** -i, 7];
      values.push(...row.map(Math.fround));
      tf.tidy(() => cache.append(tf.tensor3d(row, [2, 1, 3])));
      expect(cache.length).toBe(i + 1);
      expect([cache.rows.shape[0], cache.rows.shape[2]]).toEqual([1, 6]);
      expect([...cache.rows.dataSync()].slice(0, 6 * cache.length)).toEqual(values);
    }
    cache.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('starts again after dispose, with rows of another width', () => {
    const cache = new RowCache();
    expect(() => cache.rows).toThrow(/has no rows/);
    tf.tidy(() => {
      cache.append(tf.tensor1d([1, 2, 3]));
      cache.dispose();
      cache.append(tf.tensor1d([4]));
    });
    expect([cache.length, cache.rows.dataSync()[0]]).toEqual([1, 4]);
    cache.dispose();
  });

  it('starts with several rows at once, and appends behind them', () => {
    for (const n of [1, 16, 37]) {
      const before = tf.memory().numTensors;
      const cache = new RowCache();
      const values = Array.from({ length: 2 * n }, (_, i) => i);
      tf.tidy(() => {
        cache.fill(tf.tensor3d(values, [1, n, 2]));
        expect(() => cache.fill(tf.zeros([1, 1, 2]))).toThrow('RowCache: has rows already');
        for (let i = 0; i < 40; i++) {
          cache.append(tf.tensor1d([-i, i / 2]));
          values.push(-i, i / 2);
        }
      });
      expect(cache.length).toBe(n + 40);
      expect([...cache.rows.dataSync()].slice(0, values.length)).toEqual(values);
      cache.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it('moves its rows seldom, and leaves at most a block or a fifth of them unused', () => {
    if (!hasFused('ReasAppendRow')) return;
    for (const n of [1, 64, 1000]) {
      const cache = new RowCache();
      tf.tidy(() => {
        cache.fill(tf.zeros([1, n, 1]));
        let storage = cache.rows;
        let moved = n;
        for (let i = 0; i < n + 200; i++) {
          cache.append(tf.scalar(i));
          if (cache.rows !== storage) moved += cache.length - 1;
          storage = cache.rows;
          const unused = storage.shape[1] - cache.length;
          expect(unused).toBeLessThanOrEqual(Math.max(64, storage.shape[1] / 5));
        }
        expect(moved / cache.length).toBeLessThan(4);
      });
      cache.dispose();
    }
  });

  it('refuses a row of another width or type, and keeps its rows', () => {
    const cache = new RowCache();
    tf.tidy(() => {
      cache.append(tf.tensor1d([1, 2]));
      expect(() => cache.append(tf.tensor1d([1, 2, 3]))).toThrow(
        /got float32 \(3\); expected a float32 row of 2/,
      );
      expect(() => cache.append(tf.tensor1d([1, 2], 'int32'))).toThrow(/got int32 \(2\)/);
    });
    expect([cache.length, ...cache.rows.dataSync().slice(0, 2)]).toEqual([1, 1, 2]);
    cache.dispose();
  });
});
