import { afterEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/errors.js';
import { openTeacher, TeacherError, type TeacherSettings } from '../../src/reasoning/client.js';
import { backoffMs, retryAfterMs } from '../../src/reasoning/retry.js';
import { errorMessageOf } from '../../src/reasoning/transport.js';
import { event, json, type Reply, stream, teacherServer } from './teacherServer.js';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function teacher(reply: Reply, settings: Partial<TeacherSettings> = {}, key?: string) {
  const server = await teacherServer(reply);
  open.push(server.close);
  const client = await openTeacher(
    { baseUrl: server.url, model: 'm', backoff: { retries: 2, baseMs: 1, maxMs: 2 }, ...settings },
    key,
  );
  return {
    server,
    ask: (signal?: AbortSignal) => client.complete({ images: ['data:,x'], prompt: 'why' }, signal),
  };
}

async function failure(promise: Promise<unknown>): Promise<TeacherError> {
  const error = await promise.then(
    () => undefined,
    (caught) => caught,
  );
  expect(error).toBeInstanceOf(TeacherError);
  return error;
}

it('sends model, settings, images before the prompt, and asks for a stream', async () => {
  const { server, ask } = await teacher((_, response) => stream(response, 'Steps. ###Answer: C ✓'), {
    temperature: 0.5,
    maxTokens: 77,
  });
  expect(await ask()).toEqual({ text: 'Steps. ###Answer: C ✓', finishReason: 'stop', attempts: 1 });
  expect(server.received[0]?.body).toEqual({
    model: 'm',
    temperature: 0.5,
    max_tokens: 77,
    stream: true,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:,x' } },
          { type: 'text', text: 'why' },
        ],
      },
    ],
  });
});

it('takes an answer that was not streamed, and one that max_tokens cut', async () => {
  const whole = { choices: [{ index: 0, message: { content: 'It is red.' }, finish_reason: 'stop' }] };
  const plain = await teacher((_, response) => json(response, 200, whole));
  expect((await plain.ask()).text).toBe('It is red.');
  const cut = await teacher((_, response) => stream(response, 'It is', 'length'));
  expect((await cut.ask()).finishReason).toBe('length');
});

describe('what is tried again', () => {
  const bad: [string, Reply, RegExp][] = [
    [
      '500 with error.message',
      (_, r) => json(r, 500, { error: { message: 'out of memory' } }),
      /HTTP 500 out of memory/,
    ],
    [
      '503 with a flat message',
      (_, r) => json(r, 503, { object: 'error', message: 'loading' }),
      /HTTP 503 loading/,
    ],
    [
      '502 with a web page',
      (_, r) => void r.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad\n gateway</h1>'),
      /HTTP 502 <h1>Bad gateway/,
    ],
    [
      '429',
      (_, r) => json(r, 429, { error: { message: 'slow down' } }, { 'retry-after': '0' }),
      /HTTP 429 slow down/,
    ],
    ['a dropped connection', (_, r) => void r.socket?.destroy(), /.+/],
    ['an empty answer', (_, r) => stream(r, ''), /the answer was empty/],
    ['an answer of blanks', (_, r) => stream(r, ' \n\n '), /the answer was empty/],
    ['a stream without an end', (_, r) => stream(r, 'The man', null), /broke off \(no finish_reason\)/],
    [
      'a stream that is cut',
      (_, r) => {
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        event(r, { choices: [{ delta: { content: 'The man' } }] });
        setTimeout(() => r.socket?.destroy(), 5);
      },
      /.+/,
    ],
    [
      'a web page',
      (_, r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>hello</html>'),
      /the response was no answer/,
    ],
    ['bytes that are no events', (_, r) => void r.writeHead(200).end(Buffer.alloc(5000, 0x93)), /no answer/],
    ['events that are no JSON', (_, r) => void r.writeHead(200).end('data: {oops\n\n'), /JSON/],
    [
      'events of another kind',
      (_, r) => void r.writeHead(200).end('data: [1]\n\ndata: {"choices":[null]}\n\n'),
      /no answer/,
    ],
    ['JSON of another kind', (_, r) => json(r, 200, { message: 'hm' }), /holds no answer: hm/],
    [
      'an error inside the stream',
      (_, r) => void r.writeHead(200).end('data: {"error":{"message":"gpu lost"}}\n\n'),
      /gpu lost/,
    ],
    [
      'a flat error inside the stream',
      (_, r) => void r.writeHead(200).end('data: {"object":"error","message":"gpu gone"}\n\n'),
      /gpu gone/,
    ],
  ];
  it.each(bad)('%s', async (_, reply, message) => {
    const always = await teacher(reply);
    const error = await failure(always.ask());
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
    expect(error).toMatchObject({ scope: 'sample', attempts: 3 });
    expect(always.server.received).toHaveLength(3);

    const once = await teacher((item, response) =>
      item.number < 3 ? reply(item, response) : stream(response, 'Good. ###Answer: A'),
    );
    expect(await once.ask()).toMatchObject({ text: 'Good. ###Answer: A', attempts: 3 });
  });
});

it('gives up on a silent server, a slow one and an endless answer', async () => {
  const silent = await teacher(() => {}, { idleMs: 30 });
  expect((await failure(silent.ask())).message).toBe('no data for 0.03 s');

  const drip: Reply = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => event(response, { choices: [{ delta: { content: 'and ' } }] }), 2);
    response.on('close', () => clearInterval(timer));
  };
  const slow = await teacher(drip, { totalMs: 60 });
  expect((await failure(slow.ask())).message).toBe('no end within 0.06 s');

  const flood: Reply = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const more = () => {
      while (!response.destroyed && response.write('data: and on and on'.repeat(500)));
    };
    response.on('drain', more);
    more();
  };
  const endless = await teacher(flood, { maxTokens: 10 });
  expect((await failure(endless.ask())).message).toMatch(/did not end within 1.0 MiB/);
});

describe('what is not tried again', () => {
  it.each([
    [400, 'sample'],
    [422, 'sample'],
    [401, 'run'],
    [403, 'run'],
    [404, 'run'],
  ])('HTTP %d ends the %s', async (status, scope) => {
    const { server, ask } = await teacher((_, response) => json(response, status, { detail: 'no' }));
    expect(await failure(ask())).toMatchObject({
      scope,
      attempts: 1,
      message: `HTTP ${status} no`,
    });
    expect(server.received).toHaveLength(1);
  });

  it('a refusal by a content filter', async () => {
    const { ask } = await teacher((_, response) => stream(response, 'I', 'content_filter'));
    expect(await failure(ask())).toMatchObject({ scope: 'sample', attempts: 1 });
  });
});

it('says that a server is down, after retries', async () => {
  const { server, ask } = await teacher(() => {});
  await server.close();
  expect(await failure(ask())).toMatchObject({
    scope: 'run',
    attempts: 3,
    message: 'cannot be reached (ECONNREFUSED)',
  });
});

it('sends the key as a bearer token and never repeats it', async () => {
  const key = 'sk-very-secret-123';
  const { server, ask } = await teacher(
    (_, response) => json(response, 401, { error: { message: `Incorrect API key: ${key}` } }),
    {},
    key,
  );
  expect((await failure(ask())).message).toBe('HTTP 401 Incorrect API key: (key)');
  expect(server.received[0]?.headers.authorization).toBe(`Bearer ${key}`);
});

it('stops at once when aborted, while it waits for the server or between attempts', async () => {
  const reason = new Error('stopped by hand');
  const waiting = await teacher(() => {});
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 20);
  await expect(waiting.ask(controller.signal)).rejects.toBe(reason);

  const failing = await teacher((_, response) => json(response, 500, {}, { 'retry-after': '600' }));
  const second = new AbortController();
  setTimeout(() => second.abort(reason), 50);
  await expect(failing.ask(second.signal)).rejects.toBe(reason);
  await expect(failing.ask(AbortSignal.abort(reason))).rejects.toBe(reason);
});

it.each([
  [{ baseUrl: 'localhost:8000' }, /not an http/],
  [{ baseUrl: 'ftp://host/v1' }, /not an http/],
  [{ baseUrl: 'http://me:secret@host/v1' }, /^(?!.*secret).*OPENAI_API_KEY/],
  [{ model: '' }, /model name/],
  [{ temperature: 3 }, /temperature 3/],
  [{ maxTokens: 0.5 }, /max tokens 0.5/],
])('refuses settings %j', async (change, message) => {
  const settings = { baseUrl: 'http://h/v1', model: 'm', ...change };
  await expect(openTeacher(settings)).rejects.toThrow(UsageError);
  await expect(openTeacher(settings)).rejects.toThrow(message);
});

describe('waiting', () => {
  it('doubles, is spread by half, and has a ceiling', () => {
    const backoff = { retries: 9, baseMs: 1000, maxMs: 5000 };
    expect([0, 1, 2, 3, 9].map((n) => backoffMs(backoff, n, 0, () => 0.5))).toEqual([
      1000, 2000, 4000, 5000, 5000,
    ]);
    expect(backoffMs(backoff, 0, 0, () => 0)).toBe(500);
    expect(backoffMs(backoff, 0, 0, () => 0.999)).toBeCloseTo(1499);
  });

  it('honours what the server asks, up to 15 minutes', () => {
    const backoff = { retries: 9, baseMs: 1000, maxMs: 5000 };
    expect(backoffMs(backoff, 0, 30_000)).toBe(30_000);
    expect(backoffMs(backoff, 0, 1e12)).toBe(900_000);
  });

  it.each([
    [{}, 0],
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '1.5' }, 1500],
    [{ 'retry-after-ms': '250', 'retry-after': '7' }, 250],
    [{ 'retry-after': 'Sat, 21 Nov 2026 10:00:30 GMT' }, 30_000],
    [{ 'retry-after': 'Sat, 21 Nov 2020 10:00:30 GMT' }, 0],
    [{ 'retry-after': '-5' }, 0],
    [{ 'retry-after': 'soon' }, 0],
  ])('%j asks for %d ms', (headers, expected) => {
    const now = Date.parse('2026-11-21T10:00:00Z');
    expect(retryAfterMs(new Headers(headers as Record<string, string>), now)).toBe(expected);
  });
});

it.each([
  ['{"error":{"message":"a"}}', 'a'],
  ['{"error":"b"}', 'b'],
  ['{"message":"c","code":1}', 'c'],
  ['{"detail":"d"}', 'd'],
  ['{"detail":[{"loc":"x"}]}', '[{"loc":"x"}]'],
  ['{"error":{"message":""},"message":"e"}', 'e'],
  ['plain\n text', 'plain text'],
  ['null', 'null'],
])('reads the message of %s', (body, message) => {
  expect(errorMessageOf(body)).toBe(message);
});
