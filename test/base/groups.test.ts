import { expect, it } from 'vitest';
import { groupBy } from '../../src/base/groups.js';

it('groups by a key and keeps the order of keys and members', () => {
  const groups = groupBy(['pear', 'fig', 'plum', 'date', 'kiwi', 'nut'], (word) => word.length);
  expect([...groups]).toEqual([
    [4, ['pear', 'plum', 'date', 'kiwi']],
    [3, ['fig', 'nut']],
  ]);
  expect([...groupBy([], String)]).toEqual([]);
});

it('tells keys apart as a Map does', () => {
  const [a, b] = [{}, {}];
  expect([...groupBy([1, 2, 3], (n) => (n === 2 ? b : a)).values()]).toEqual([[1, 3], [2]]);
});
