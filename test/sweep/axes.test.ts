import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { parseOverride } from '../../src/config/recipe.js';
import {
  checkAxis,
  combinations,
  overrideOf,
  parseSeeds,
  splitOverrides,
  trialId,
} from '../../src/sweep/axes.js';

describe('splitOverrides', () => {
  it.each([
    ['train.beta=0,0.5,0.8', [0, 0.5, 0.8]],
    ['train.beta= 0 , 0.5 ', [0, 0.5]],
    [
      'model.lora.targets=[q,v],[q,k,v,o]',
      [
        ['q', 'v'],
        ['q', 'k', 'v', 'o'],
      ],
    ],
    ['model.train=[lora],[qformer, lora]', [['lora'], ['qformer', 'lora']]],
    ['train.mode=mtl,stl', ['mtl', 'stl']],
    ['features.cache=true,false', [true, false]],
    ['text.template="a, b",c', ['a, b', 'c']],
    ["text.template='a, b',\"it's, c\"", ['a, b', "it's, c"]],
    ["text.template=it's,that's", ["it's", "that's"]],
    ['train.alpha=null,0.5', [undefined, 0.5]],
    ['data.reasoning=a.jsonl,b.jsonl', ['a.jsonl', 'b.jsonl']],
  ])('reads %s as an axis', (text, values) => {
    const { axes, fixed } = splitOverrides([text]);
    expect(fixed).toEqual([]);
    expect(axes).toEqual([{ key: text.slice(0, text.indexOf('=')), values }]);
  });

  it.each([
    'train.beta=0.5',
    'model.lora.targets=[q,v]',
    'text.template="a, b"',
    'train.beta',
    'text.template=a b',
  ])('leaves %s as one value', (text) => expect(splitOverrides([text])).toEqual({ axes: [], fixed: [text] }));

  it.each([
    ['train.beta=0,,1', /train\.beta: an empty value between commas in 0,,1/],
    ['train.beta=0,', /an empty value/],
    ['train.beta=,', /an empty value/],
    ['train.betta=0,1', /train\.betta: unknown key \(did you mean beta\?\)/],
    ['train=0,1', /train: a section/],
    ['train.beta=0.5,0.50', /train\.beta: 0\.5 is there twice/],
    ['model.train=[lora],[lora]', /is there twice/],
  ])('refuses %s', (text, message) => {
    expect(() => splitOverrides([text])).toThrow(UsageError);
    expect(() => splitOverrides([text])).toThrow(message);
  });

  it('refuses an axis without a value', () => {
    expect(() => checkAxis({ key: 'train.beta', values: [] }, 'sweep.grid')).toThrow(
      /sweep\.grid train\.beta: an empty grid/,
    );
  });
});

it('combines axes, the first moving slowest', () => {
  const axes = [
    { key: 'a', values: [1, 2] },
    { key: 'b', values: ['x', 'y', 'z'] },
  ];
  const all = combinations(axes);
  expect(all.map(({ a, b }) => `${a}${b}`)).toEqual(['1x', '1y', '1z', '2x', '2y', '2z']);
  expect(combinations([])).toEqual([{}]);
});

describe('parseSeeds', () => {
  it.each([
    ['3', [1, 2, 3]],
    ['1', [1]],
    ['7,11', [7, 11]],
    ['0, 5', [0, 5]],
  ])('reads %s', (text, seeds) => expect(parseSeeds(text)).toEqual(seeds));
  it.each(['', '0', 'x', '1.5', '-1', '1,', '1,x', '1001'])('refuses %j', (text) =>
    expect(() => parseSeeds(text)).toThrow(UsageError),
  );
});

it.each([
  ['train.beta', 0.5],
  ['train.mode', 'stl'],
  ['train.recompute', 'light'],
  ['train.recompute', true],
  ['model.lora.targets', ['q', 'v']],
  ['text.template', ' "quoted" and \'more\', with: colons # and hashes\n'],
  ['text.template', "'starts with a quote"],
  ['text.template', 'null'],
  ['text.template', '12'],
  ['data.reasoning', '/a folder/with, commas.jsonl'],
  ['train.alpha', undefined],
])('writes %s=%j so that it is read back', (key, value) => {
  expect(parseOverride(overrideOf(key, value))).toEqual({ name: key, value });
});

describe('trialId', () => {
  const keys = ['train.beta', 'train.seed'];
  it('names what varies by its last name', () => {
    expect(trialId(undefined, { 'train.beta': 0.5, 'train.seed': 1 }, keys)).toBe('beta-0.5-seed-1');
    expect(trialId('STL QA', { 'train.seed': 1 }, keys)).toBe('stl-qa-seed-1');
    expect(trialId(undefined, {}, [])).toBe('trial');
  });
  it('names two keys with one last name whole', () => {
    const both = ['train.batch', 'eval.batch'];
    expect(trialId(undefined, { 'train.batch': 4, 'eval.batch': 8 }, both)).toBe(
      'train.batch-4-eval.batch-8',
    );
  });
  it('keeps many long values within what a folder may be named, and apart', () => {
    const many = Array.from({ length: 12 }, (_, i) => `some.quiteLongKey${i}`);
    const settingsOf = (last: string) =>
      Object.fromEntries(many.map((key, i) => [key, i === 11 ? last : '語'.repeat(30)]));
    const names = ['a', 'b'].map((last) => trialId('arm', settingsOf(last), many));
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThan(200);
  });
  it('gives a name that every file system takes, and different ones to different values', () => {
    const values = [
      'a/b',
      'a\\b',
      '../x',
      'x'.repeat(300),
      `${'x'.repeat(300)}y`,
      'ä ö',
      '',
      '\n',
      'a?b',
      ['q', 'v'],
      ['qv'],
      -1,
      1,
    ];
    const names = values.map((value) => trialId(undefined, { 'text.template': value }, ['text.template']));
    for (const name of names) {
      expect(name).toMatch(/^[^/\\\s?*:"<>|]+$/);
      expect(Buffer.byteLength(name)).toBeLessThan(200);
      expect(name.startsWith('.')).toBe(false);
    }
    expect(new Set(names).size).toBe(values.length);
  });
});
