/** The name that a misspelt one most likely means. */
import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/base/nearest.js';

describe('nearest', () => {
  it.each([
    ['betta', 'beta'],
    ['bta', 'beta'],
    ['btea', 'beta'],
    ['BETA', 'beta'],
    ['x', undefined],
    ['completely', undefined],
  ])('%s -> %s', (wrong, expected) => {
    expect(nearest(wrong, ['alpha', 'beta', 'epochs'])).toBe(expected);
  });
});
