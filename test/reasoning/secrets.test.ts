/** A key never reaches a file, a message or a notice, whatever the server does with it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openTeacher } from '../../src/reasoning/client.js';
import { generateReasoning } from '../../src/reasoning/generate.js';
import { secretsOf } from '../../src/reasoning/secrets.js';
import { withoutProxies } from '../support/proxy.js';
import { madeSamples } from './madeSamples.js';
import { event, json, type Reply, stream, teacherServer } from './teacherServer.js';

let folder: string;
beforeEach(() => {
  withoutProxies(vi.stubEnv);
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const KEY = 'sk-Planted/0123"456789-key';
const QUERY = 'query-secret-4711';
/** Any eight characters of a key give it away. */
const parts = [KEY, QUERY].flatMap((key) =>
  Array.from({ length: key.length - 7 }, (_, i) => key.slice(i, i + 8)),
);

const echoes: Record<string, Reply> = {
  'an error': (item, r) => json(r, 401, { error: { message: `bad ${item.headers.authorization}` } }),
  'a long error': (item, r) =>
    json(r, 500, { error: { message: `${'x'.repeat(285)}${item.headers.authorization}` } }),
  'an error page': (item, r) =>
    void r.writeHead(502).end(`<h1>${item.path} ${item.headers.authorization}</h1>`),
  'a web page': (item, r) =>
    void r
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<title>${item.headers.authorization}</title>`),
  'a redirect': (item, r) => void r.writeHead(307, { location: `http://x${item.path}` }).end(),
  'an answer': (item, r) => stream(r, `The key is ${item.headers.authorization} and ${item.path}.`),
  thinking: (item, r) => {
    r.writeHead(200, { 'content-type': 'text/event-stream' });
    event(r, { choices: [{ delta: { reasoning: `I see ${item.headers.authorization}` } }] });
    event(r, { choices: [{ delta: { content: 'It is red.' }, finish_reason: 'stop' }] });
    r.end();
  },
  'a reason to end': (item, r) => stream(r, 'It is', `stop ${item.headers.authorization}`),
  'an event that is no JSON': (item, r) =>
    void r.writeHead(200).end(`data: {${item.headers.authorization}\n\n`),
  'an error in the stream': (item, r) => {
    r.writeHead(200, { 'content-type': 'text/event-stream' });
    event(r, { error: { message: `bad ${item.headers.authorization} ${item.path}` } });
    r.end();
  },
  'a refusal': (item, r) =>
    json(r, 200, {
      choices: [
        { message: { content: null, refusal: `No, ${item.headers.authorization}` }, finish_reason: 'stop' },
      ],
    }),
};

it.each(Object.entries(echoes))('that %s repeats', async (_, reply) => {
  vi.stubEnv('OPENAI_API_KEY', KEY);
  const server = await teacherServer(reply);
  const shown: string[] = [];
  const client = await openTeacher({
    baseUrl: `${server.url}?api-key=${QUERY}`,
    model: 'm',
    backoff: { retries: 1, baseMs: 1, maxMs: 1 },
    onNotice: (line) => shown.push(line),
  });
  const frames = { data: new Uint8Array(12), n: 1, height: 2, width: 2 };
  await generateReasoning({
    samples: madeSamples(3),
    framesOf: async () => frames,
    frameCount: 1,
    client,
    out: join(folder, 'out.jsonl'),
    onNotice: (line) => shown.push(line),
  }).catch((error) => shown.push(error.stack, JSON.stringify(error)));
  await server.close();
  expect(server.received[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
  const written = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  const all = [...shown, ...written, client.url].join('\n');
  expect(all).not.toBe('');
  for (const part of parts) expect(all).not.toContain(part);
});

it('keeps an answer whole that holds a word which is also a placeholder for a key', () => {
  const { fromAnswer, fromMessage } = secretsOf(['secret', 'none']);
  expect(fromAnswer('the secret door, none other')).toBe('the secret door, none other');
  expect(fromMessage('bad key secret, none')).toBe('bad key (key), none');
});

it('refuses a key that no header can carry, unseen', async () => {
  for (const key of ['sk two', 'sk-ä', 'sk\n1']) {
    const opened = openTeacher({ baseUrl: 'http://h/v1', model: 'm' }, key);
    await expect(opened).rejects.toThrow(/the key holds blanks or other characters that no header can carry/);
    await expect(opened).rejects.not.toThrow(key);
  }
});

it.each([...'012345'].flatMap((n) => ['base64', 'base64url'].map((form) => [n, form] as const)))(
  'finds a key behind %s signs in a text that is written as %s',
  (n, form) => {
    const { fromMessage, fromAnswer } = secretsOf([KEY]);
    for (const behind of ['', '.', '..', ' }']) {
      const bytes = Buffer.from(`${'x'.repeat(Number(n))}${KEY}${behind}`);
      const text = bytes.toString(form as BufferEncoding);
      for (const left of [fromMessage(text), fromAnswer(text)]) {
        const told = Buffer.from(left.replace('(key)', ''), form as BufferEncoding).toString('latin1');
        // The signs at the ends belong to bytes beside the key.
        expect(left).toContain('(key)');
        expect(left.length).toBeLessThanOrEqual(text.length - KEY.length);
        for (const part of parts.slice(0, KEY.length - 7)) expect(told).not.toContain(part);
      }
    }
  },
);
