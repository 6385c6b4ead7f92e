import { describe, expect, test } from 'vitest';
import { JsonSyntaxError, parseJson, repeatedKey } from '../../src/data/textFile.js';

describe('the line of a JSON syntax error', () => {
  const before = '{"a": 1,\n"b": 2,\n';
  const after = ',\n"z": NaN,\n"y": NaN\n}\n';
  test.each([
    ['NaN', 'Unexpected token'],
    ['Infinity', 'Unexpected token'],
    ['tru', 'Unexpected token'],
    ['[1, 2,]', 'Unexpected token'],
    ['{"d": }', 'Unexpected token'],
    ["'x'", 'Unexpected token'],
    ['01', 'Unexpected number'],
    ['"\\x"', 'Bad escaped character'],
    ['1 2', "Expected ',' or '}'"],
  ])('is that of %s', (bad, message) => {
    const error = syntaxError(`${before}"c": ${bad}${after}`);
    expect(error.line).toBe(3);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain('is not valid JSON');
  });

  test.each([
    ['NaN', 1],
    ['\n\nNaN', 3],
    ['\n{"x": NaN,\n "y": 1, "z": 1, "w": 1}', 2],
    ['{"x": 1,\n "y": 1, "z": 1,\n "w": NaN}', 3],
    ['{"x": 1,\n "y": ', 2],
  ])('is right at either end of a text: %j', (text, line) => {
    expect(syntaxError(text).line).toBe(line);
  });
});

describe('a key that an object has twice', () => {
  test.each([
    ['{"a": 1, "b": {"a": 2}, "c": [{"a": 1}, {"a": 2}, "a", "a"]}', undefined],
    ['{"a": "\\"a\\": 1", "b": "{\\"b\\":"}', undefined],
    ['{"a": 1,\n"b": 2,\n"a": 3}', { key: 'a', line: 3 }],
    ['{"x": {"a": 1,\n"\\u0061": 2}}', { key: 'a', line: 2 }],
    ['[{"a": 1}, {"b" : 1, "b"\n: 2}]', { key: 'b', line: 1 }],
  ])('%s', (text, expected) => {
    expect(repeatedKey(text)).toEqual(expected);
  });

  test('is found behind a long text', () => {
    const text = JSON.stringify({ long: 'a"\\'.repeat(1_000_000) });
    expect(repeatedKey(`${text.slice(0, -1)}, "long": 1}`)).toEqual({ key: 'long', line: 1 });
  });
});

function syntaxError(text: string): JsonSyntaxError {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
  }
  throw new Error('no syntax error');
}
