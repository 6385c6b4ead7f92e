/** The address of a teacher, as people paste it. */
import { expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { teacherAddress } from '../../src/reasoning/address.js';

it.each([
  ['http://h:8000/v1', 'http://h:8000/v1'],
  [' http://h:8000/v1/ ', 'http://h:8000/v1'],
  ['http://h:8000/v1//', 'http://h:8000/v1'],
  ['http://h:8000/v1/chat/completions', 'http://h:8000/v1'],
  ['http://h:8000/v1/chat/completions/', 'http://h:8000/v1'],
  ['http://h:8000/v1/chat', 'http://h:8000/v1'],
  ['http://h:8000/v1/completions', 'http://h:8000/v1'],
  ['http://h:8000/v1/models', 'http://h:8000/v1'],
  ['http://h:8000/v1#readme', 'http://h:8000/v1'],
  ['https://h/v1beta/openai/', 'https://h/v1beta/openai'],
  ['https://h/api/paas/v4/chat/completions', 'https://h/api/paas/v4'],
  ['https://h/openai/deployments/gpt/chat/completions', 'https://h/openai/deployments/gpt'],
])('%s is %s, which has a version', (text, base) => {
  expect(teacherAddress(text)).toEqual({ base, query: {}, secrets: [], versioned: undefined });
});

it.each([
  ['http://h:8000', 'http://h:8000', 'http://h:8000/v1'],
  ['http://h:8000/', 'http://h:8000', 'http://h:8000/v1'],
  ['http://h:8000/chat/completions', 'http://h:8000', 'http://h:8000/v1'],
  ['https://h/api', 'https://h/api', 'https://h/api/v1'],
  ['https://h/models', 'https://h/models', 'https://h/models/v1'],
  ['https://v1.h/vault', 'https://v1.h/vault', 'https://v1.h/vault/v1'],
])('%s is %s, or else %s', (text, base, versioned) => {
  expect(teacherAddress(text)).toMatchObject({ base, versioned });
});

it('keeps the query apart, and knows which values are keys', () => {
  const { base, query, secrets } = teacherAddress(
    'https://h/openai/deployments/d/chat/completions?api-version=2024-06-01&api-key=abc%20def',
  );
  expect(base).toBe('https://h/openai/deployments/d');
  expect(query).toEqual({ 'api-version': '2024-06-01', 'api-key': 'abc def' });
  expect(secrets).toEqual(['abc def']);
});

it.each([
  ['localhost:8000', /write http:\/\/ or https:\/\/ before it; expected e\.g\. http:\/\/localhost:8000\/v1/],
  ['api.example.com/v1', /write http/],
  ['ftp://h/v1', /not an http\(s\) URL; expected/],
  ['http://', /not an http/],
  ['', /not an http/],
  ['http://me:secret@h:port/v1', /^(?!.*secret).*not an http/],
  ['http://me:secret@h/v1', /^(?!.*secret).*OPENAI_API_KEY/],
])('refuses "%s"', (text, message) => {
  expect(() => teacherAddress(text)).toThrow(UsageError);
  expect(() => teacherAddress(text)).toThrow(message);
});
