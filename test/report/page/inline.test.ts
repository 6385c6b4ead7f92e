import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { hashOf, readProgram, scriptJson } from '../../../src/report/page/inline.js';

it('writes JSON that no text in it can break out of, and that reads back the same', () => {
  const value = ['</script><script>', '<!--', '\u2028\u2029', 'a < b', { 'k</': 1 }];
  const text = scriptJson(value);
  expect(text).not.toMatch(/[<\u2028\u2029]/);
  expect(JSON.parse(text)).toEqual(value);
});

it('makes one program of the modules, which parses and imports nothing', async () => {
  const program = await readProgram();
  expect(program).not.toMatch(/^(import|export) /m);
  expect(program).not.toContain('</script');
  expect(() => new Function(program)).not.toThrow();
});

it('hashes a script as a Content-Security-Policy names it', () => {
  expect(hashOf('x')).toBe(`'sha256-${createHash('sha256').update('x').digest('base64')}'`);
});
