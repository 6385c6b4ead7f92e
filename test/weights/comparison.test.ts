/** Comparing checkpoints with their config.json. */
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { canonicalSource } from '../../src/weights/canonical.js';
import {
  compareCheckpoint,
  faultsOf,
  formatComparison,
  noticesOf,
  requireComplete,
} from '../../src/weights/comparison.js';
import { parseBlip2Config, readJson } from '../../src/weights/config.js';
import { T5_TABLE } from '../../src/weights/ownTables.js';
import { openCheckpoint } from '../../src/weights/sharded.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { memorySource } from './fixtures.js';
import { expectedTensors } from './layout.js';

const CLEAN = { missing: [], unexpected: [], misshaped: [], unreadable: [] };

describe('compareCheckpoint', () => {
  const expected = new Map([
    ['a', [2, 3]],
    ['b', [4]],
  ]);

  it('names missing, unexpected and mis-shaped tensors', () => {
    const comparison = compareCheckpoint(expected, memorySource({ a: { shape: [3, 2] }, c: { shape: [1] } }));
    expect(comparison).toEqual({
      missing: ['b'],
      unexpected: ['c'],
      misshaped: [{ name: 'a', expected: [2, 3], found: [3, 2] }],
      unreadable: [],
    });
    expect(formatComparison({ ...comparison, own: [], unread: [] })).toEqual([
      'missing     b',
      'wrong shape a: [3, 2], expected [2, 3]',
      'unexpected  c',
    ]);
  });

  it('refuses a checkpoint that cannot be loaded, and accepts unexpected tensors', () => {
    const check = (tensors: Record<string, { shape: number[] }>) => () =>
      requireComplete(compareCheckpoint(expected, memorySource(tensors)), 'x.safetensors');
    expect(check({ a: { shape: [2, 3] }, b: { shape: [4] }, z: { shape: [] } })).not.toThrow();
    expect(check({ a: { shape: [6] }, b: { shape: [4] } })).toThrow(
      /x\.safetensors: tensor a has shape \[6\], expected \[2, 3\]/,
    );
    expect(check({})).toThrow(DataError);
    expect(check({})).toThrow(/missing tensors a, b;/);
    const many = new Map(Array.from({ length: 9 }, (_, i) => [`t${i}`, [1]]));
    expect(() => requireComplete(compareCheckpoint(many, memorySource({})), 'x')).toThrow(
      /t0, t1, t2 and 6 more/,
    );
  });

  it('names unused tensors in one line', () => {
    const noticesFor = (...unexpected: string[]) =>
      noticesOf({ ...CLEAN, unexpected, own: [], unread: [] }, 'weights/x');
    expect(noticesFor()).toEqual([]);
    expect(noticesFor('z')).toEqual(['weights/x: a tensor that has no place in the model: z; not used']);
    expect(noticesFor('a', 'b', 'c', 'd', 'e')).toEqual([
      'weights/x: 5 tensors that have no place in the model: a, b, c and 2 more; not used',
    ]);
  });

  it('does not mind the head of a tied model, present or absent', () => {
    const config = parseBlip2Config({ text_config: { vocab_size: 8, d_model: 4 } });
    const tied = expectedTensors(config);
    const tensors = Object.fromEntries([...tied].map(([name, shape]) => [name, { shape }]));
    expect(compareCheckpoint(tied, memorySource(tensors), T5_TABLE)).toEqual(CLEAN);
    const head = { 'language_model.lm_head.weight': { shape: [8, 4] } };
    expect(compareCheckpoint(tied, memorySource({ ...tensors, ...head }), T5_TABLE)).toEqual(CLEAN);
  });

  it.each(['language_model.lm_head.weight', 'language_model.decoder.embed_tokens.weight'])(
    'minds the shape and the type of %s where a file has it',
    (name) => {
      const expected = new Map([['language_model.shared.weight', [8, 4]]]);
      const shared = { 'language_model.shared.weight': { shape: [8, 4] } };
      const found = compareCheckpoint(
        expected,
        memorySource({ ...shared, [name]: { shape: [4, 8], dtype: 'I8' } }),
        T5_TABLE,
      );
      expect(found).toEqual({
        ...CLEAN,
        misshaped: [{ name, expected: [8, 4], found: [4, 8] }],
        unreadable: [{ name, dtype: 'I8', file: 'memory' }],
      });
    },
  );

  it.each(['F64', 'I8', 'U8', 'I32', 'F8_E4M3', 'F8_E5M2', 'BOOL'] as const)(
    'refuses a weight of type %s before its shape, which quantising changes',
    (dtype) => {
      const source = memorySource({ a: { shape: [6, 1], dtype }, b: { shape: [4], dtype } });
      const comparison = compareCheckpoint(expected, source);
      expect(faultsOf(comparison)).toBe('1 of another shape, 2 of a type that is not read');
      expect(formatComparison({ ...comparison, own: [], unread: [] })).toContain(
        `wrong type  a: ${dtype}, expected F32, F16 or BF16`,
      );
      expect(() => requireComplete(comparison, 'x')).toThrow(
        `memory: tensor "a" is ${dtype}, expected F32, F16 or BF16; save the model in one of these (so are 1 more)`,
      );
    },
  );

  it.each(['F32', 'F16', 'BF16'] as const)('takes weights of type %s', (dtype) => {
    const source = memorySource({ a: { shape: [2, 3], dtype }, b: { shape: [4], dtype } });
    expect(compareCheckpoint(expected, source)).toEqual(CLEAN);
    expect(faultsOf(CLEAN)).toBeUndefined();
  });

  it('says which tables are used and which files are not', () => {
    const own = ['language_model.lm_head.weight' as const];
    const notices = noticesOf({ ...CLEAN, own, unread: ['model-00001-of-00002.safetensors'] }, 'weights/x');
    expect(notices).toEqual([
      expect.stringMatching(/^weights\/x: language_model\.lm_head\.weight holds other values than .*shared/),
      'weights/x: model.safetensors is read, not model-00001-of-00002.safetensors',
    ]);
  });
});

const tiny = sharedPath('reference/tiny-a/config.json');
describeWithShared('the reference checkpoint', ['reference/tiny-a/config.json'], () => {
  it('has exactly the tensors its config.json asks for', async () => {
    const config = parseBlip2Config(await readJson(tiny!));
    const source = canonicalSource(await openCheckpoint(dirname(tiny!).concat('/model.safetensors')));
    const comparison = compareCheckpoint(expectedTensors(config), source, T5_TABLE);
    await source.close();
    expect(comparison).toEqual(CLEAN);
    expect(source.report).toEqual({ ignored: [], unknown: [], renamed: new Map() });
  });
});
