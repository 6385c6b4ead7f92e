/** Fused calls by name: every field of every kernel, in the place that the addon says. */
import { describe, expect, it } from 'vitest';
import type { Field, NativeDevice } from '../../src/engine/native/addon.js';
import { fusedCalls, type Operand } from '../../src/engine/native/calls.js';
import type { FusedName } from '../../src/engine/native/entries.js';
import { nativeDevice } from '../../src/engine/native/load.js';

const device = nativeDevice();
const devices: [string, NativeDevice][] = [
  ['native-cpu', device],
  ['native-cuda', device.cuda],
];
const isTensor = ({ kind }: Field): boolean => kind === 'operand' || kind === 'optional';

/** A device of one layout, whose numbers are its own. */
const deviceOf = (name: FusedName, fields: readonly Field[]): NativeDevice =>
  ({ layouts: { [name]: fields }, numbers: new Float64Array(200).fill(-7) }) as unknown as NativeDevice;

type Untyped = (inputs: object, attrs: object, results: object) => void;
const fill = (name: FusedName, on: NativeDevice): Untyped =>
  fusedCalls(on, ({ id }: Operand) => id)[name] as unknown as Untyped;

describe.each(devices)('the calls of %s', (_, { layouts }) => {
  it.each(Object.entries(layouts) as [FusedName, Field[]][])(
    '%s: every field lies in its own place',
    (name, fields) => {
      const on = deviceOf(name, fields);
      const tensors = Object.fromEntries(
        fields.filter(isTensor).map(({ name: field }, i) => [field, { id: 100 + i, shape: [i, 2 * i, 5] }]),
      );
      const attrs: Record<string, unknown> = {};
      fields
        .filter((field) => !isTensor(field))
        .forEach(({ name: field, kind }, i) => {
          const [owner, inner] = field.split('.') as [string, string?];
          const value = kind === 'number' ? 1000 + i : kind.split(', ').at(-1);
          if (inner === undefined) attrs[owner] = value;
          else attrs[owner] = { ...(attrs[owner] as object), [inner]: value };
        });
      fill(name, on)(tensors, attrs, tensors);
      fields.filter(isTensor).forEach(({ at }, i) => {
        expect([...on.numbers.subarray(at, at + 6)]).toEqual([100 + i, 3, i, 2 * i, 5, -7]);
      });
      fields
        .filter((field) => !isTensor(field))
        .forEach(({ at, kind }, i) => {
          expect(on.numbers[at]).toBe(kind === 'number' ? 1000 + i : kind.split(', ').length - 1);
        });
      // What is left out says so, and no number of it is what an earlier call left there.
      const optional = fields.filter(({ kind }) => kind === 'optional');
      const given = Object.fromEntries(
        Object.entries(tensors).filter(([field]) => !optional.some((each) => each.name === field)),
      );
      fill(name, on)(given, attrs, given);
      for (const { at } of optional) expect(on.numbers[at]).toBe(-1);
    },
  );
});

it('a number that is left out is named, and a tensor of more axes than six is refused', () => {
  const fields = device.layouts.rmsNormGradWeight!;
  const x = { id: 1, shape: [1, 1] };
  const run = fill('rmsNormGradWeight', deviceOf('rmsNormGradWeight', fields));
  expect(() => run({ dy: x, x }, {}, { dweight: x })).toThrow('rmsNormGradWeight: eps is missing');
  const wide = { id: 1, shape: [1, 1, 1, 1, 1, 1, 1] };
  expect(() => run({ dy: wide, x }, { eps: 1 }, { dweight: x })).toThrow(/7 axes, at most six/);
});

describe('an addon that was built from other sources is refused by name', () => {
  const at = 0;
  const { gelu, dropout } = device.layouts;
  it.each<[string, FusedName, Field[], RegExp]>([
    ['a kernel that the table lacks', 'relu' as FusedName, [], /relu is no kernel of src\/ops\/kernels.ts/],
    ['an operand too many', 'gelu', [...gelu!, { name: 'bias', kind: 'operand', at }], /gelu reads bias/],
    ['an operand too few', 'gelu', gelu!.slice(1), /gelu does not read x/],
    ['a result too few', 'gelu', gelu!.filter(({ name }) => name !== 'y'), /gelu does not read y/],
    [
      'an attribute that no call has',
      'gelu',
      [...gelu!, { name: 'eps', kind: 'number', at }],
      /gelu reads eps/,
    ],
    [
      'an attribute for an operand',
      'dropout',
      [...dropout!, { name: 'x.rate', kind: 'number', at }],
      /dropout reads x\.rate/,
    ],
  ])('%s', (_, name, fields, message) => {
    expect(() => fusedCalls(deviceOf(name, fields), ({ id }: Operand) => id)).toThrow(message);
  });
});
