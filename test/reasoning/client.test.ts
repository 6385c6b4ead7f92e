/** The client of a teacher against servers that fail in many ways. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { openTeacher, TeacherError, type TeacherSettings } from '../../src/reasoning/client.js';
import { backoffMs, retryAfterMs } from '../../src/reasoning/retry.js';
import { errorMessageOf } from '../../src/reasoning/transport.js';
import { webProxy, withoutProxies } from '../support/proxy.js';
import { event, json, type Reply, stream, teacherServer } from './teacherServer.js';

const open: (() => Promise<void>)[] = [];
beforeEach(() => withoutProxies(vi.stubEnv));
afterEach(async () => {
  vi.unstubAllEnvs();
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

const whole = (message: object, finish_reason: unknown, more: object = {}) => ({
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason, ...more }],
});

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
  const plain = await teacher((_, response) => json(response, 200, whole({ content: 'It is red.' }, 'stop')));
  expect((await plain.ask()).text).toBe('It is red.');
  const cut = await teacher((_, response) => stream(response, 'It is', 'length'));
  expect((await cut.ask()).finishReason).toBe('length');
});

it.each([
  ['eos_token', 'stop'],
  ['END_TURN', 'stop'],
  ['COMPLETE', 'stop'],
  ['MAX_TOKENS', 'length'],
])('takes %s as %s', async (reason, finishReason) => {
  const streamed = await teacher((_, response) => stream(response, 'It is red.', reason));
  expect(await streamed.ask()).toMatchObject({ text: 'It is red.', finishReason });
  const atOnce = await teacher((_, response) =>
    json(response, 200, whole({ content: 'It is red.' }, reason)),
  );
  expect(await atOnce.ask()).toMatchObject({ text: 'It is red.', finishReason });
});

it('puts thinking that came apart before the answer, streamed or not', async () => {
  const text = '<think>\nHe bends. He runs.\n</think>\nThe answer is C.';
  const message = {
    reasoning_content: 'He bends. He runs.',
    content: [{ type: 'text', text: 'The answer is C.' }],
  };
  const atOnce = await teacher((_, response) => json(response, 200, whole(message, 'stop')));
  expect((await atOnce.ask()).text).toBe(text);
  const streamed = await teacher((_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const deltas = [
      { reasoning: 'He bends. ' },
      { reasoning: 'He runs.' },
      { content: '\n\nThe answer is C.' },
      {},
    ];
    for (const [i, delta] of deltas.entries())
      event(response, { choices: [{ index: 0, delta, finish_reason: i === 3 ? 'stop' : '' }] });
    response.end();
  });
  expect((await streamed.ask()).text).toBe(text);
});

it('takes events that are called a web page', async () => {
  const { ask } = await teacher((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.write('\n');
    event(response, { choices: [{ delta: { content: 'It is <b>red</b>.' }, finish_reason: 'stop' }] });
    response.end();
  });
  expect((await ask()).text).toBe('It is <b>red</b>.');
});

it('takes the first of several whole answers', async () => {
  const { ask } = await teacher((_, response) => {
    const choice = (index: number, content: string) => ({
      index,
      message: { content },
      finish_reason: 'stop',
    });
    json(response, 200, { choices: [choice(1, 'It is red.'), choice(0, 'It is blue.')] });
  });
  expect((await ask()).text).toBe('It is blue.');
});

describe('failures that are tried again', () => {
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
      /the response was a web page, no answer/,
    ],
    [
      'a web page with a title',
      (_, r) =>
        void r
          .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
          .end('<html><title>\nSign in</title>'),
      /the response was a web page \("Sign in"\), no answer/,
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
    [
      'a list with an error inside the stream',
      (_, r) => void r.writeHead(200).end('data: [{"error":{"message":"gpu away"}}]\n\n'),
      /gpu away/,
    ],
    [
      'an error in a choice',
      (_, r) =>
        json(r, 200, {
          choices: [
            {
              error: { code: 502, message: 'provider\n lost' },
              message: { content: 'He' },
              finish_reason: 'error',
            },
          ],
        }),
      /provider lost/,
    ],
    [
      'a list with an error and status 200',
      (_, r) => json(r, 200, [{ error: { message: 'quota is used up' } }]),
      /holds no answer: quota is used up/,
    ],
    [
      'a stream without a reason before [DONE]',
      (_, r) => stream(r, 'The man', ''),
      /broke off \(no finish_reason\)/,
    ],
    [
      'an answer in one piece without a reason',
      (_, r) =>
        json(r, 200, { choices: [{ index: 0, message: { content: 'He runs.' }, finish_reason: null }] }),
      /broke off \(no finish_reason\)/,
    ],
    [
      'thinking alone, ended',
      (_, r) => json(r, 200, whole({ content: null, reasoning: 'He bends' }, 'stop')),
      /only thinking came \(8 characters\), max_tokens was 1024, finish_reason "stop"/,
    ],
    ...['error', 'abort', 'cancelled', 'network_error', 'insufficient_system_resource', 'no such reason'].map(
      (reason): [string, Reply, RegExp] => [
        `finish_reason ${reason}`,
        (_, r) => stream(r, 'The man\n runs', reason),
        new RegExp(`finish_reason "${reason}", which is no known good end; .* It wrote: The man runs`),
      ],
    ),
    [
      'a reason that a router translated',
      (_, r) =>
        json(r, 200, whole({ content: '' }, 'error', { native_finish_reason: 'MALFORMED_FUNCTION_CALL' })),
      /finish_reason "error", natively "MALFORMED_FUNCTION_CALL", which is no known good end; see the server's log$/,
    ],
    ['the call of a tool', (_, r) => stream(r, 'Let me see', 'tool_calls'), /turn its tool parser off/],
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

describe('failures that are not tried again', () => {
  it.each([
    [400, 'sample'],
    [422, 'sample'],
    [401, 'run'],
    [403, 'run'],
    [404, 'run'],
    [405, 'run'],
  ])('HTTP %d ends the %s', async (status, scope) => {
    const { server, ask } = await teacher((_, response) => json(response, status, { detail: 'no' }));
    expect(await failure(ask())).toMatchObject({
      scope,
      attempts: 1,
      message: `HTTP ${status} no`,
    });
    expect(server.received).toHaveLength(1);
  });

  it.each([
    ['content_filter', 'I', 'refused by a content filter (finish_reason "content_filter")'],
    ['SAFETY', '', 'refused by a content filter (finish_reason "SAFETY")'],
    ['sensitive', 'The man', 'refused by a content filter (finish_reason "sensitive")'],
  ])('a refusal: %s', async (reason, text, message) => {
    const { ask } = await teacher((_, response) => stream(response, text, reason));
    expect(await failure(ask())).toMatchObject({ scope: 'sample', attempts: 1, message });
  });

  it('a refusal in words', async () => {
    const { ask } = await teacher((_, response) =>
      json(response, 200, whole({ content: null, refusal: 'I am unable to.' }, 'stop')),
    );
    expect(await failure(ask())).toMatchObject({
      attempts: 1,
      message: 'refused by the model: I am unable to.',
    });
  });

  it.each([
    { reasoning: 'He bends' },
    { reasoning_content: 'He bends', content: ' ' },
    { thinking: 'He bends' },
  ])('thinking that took all tokens: %j', async (message) => {
    const { ask } = await teacher((_, response) => json(response, 200, whole(message, 'length')), {
      maxTokens: 99,
    });
    const error = await failure(ask());
    expect(error).toMatchObject({ scope: 'sample', attempts: 1 });
    expect(error.message).toMatch(
      /only thinking came .* max_tokens \(99\) .* raise --max-tokens, .* thinking off/,
    );
  });
});

describe('a base URL', () => {
  const found: Reply = (item, response) => {
    if (item.path === '/v1/chat/completions?a=b') stream(response, 'It is red.');
    else json(response, 404, { detail: `no ${item.path}` });
  };

  it.each(['', '/', '/chat/completions', '/chat/completions/'])(
    'may end in "%s", and a query',
    async (end) => {
      const server = await teacherServer(found);
      open.push(server.close);
      const client = await openTeacher({ baseUrl: `${server.url}${end}?a=b`, model: 'm' });
      expect((await client.complete({ images: [], prompt: 'why' })).text).toBe('It is red.');
      expect(client.url).toBe(server.url);
    },
  );

  it.each<[string, Reply, RegExp]>([
    ['404', found, /^HTTP 404 no \/chat\/completions \(/],
    [
      '405',
      (_, r) => void r.writeHead(405, { 'content-type': 'text/html' }).end('Not Allowed'),
      /^HTTP 405 Not Allowed \(/,
    ],
    [
      'a web page',
      (_, r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      /^the response was a web page/,
    ],
  ])('without /v1 is told to need one at %s', async (_, reply, message) => {
    const server = await teacherServer(reply);
    open.push(server.close);
    const client = await openTeacher({ baseUrl: server.url.replace('/v1', ''), model: 'm' });
    const error = await failure(client.complete({ images: [], prompt: 'why' }));
    expect(error).toMatchObject({ scope: 'run', attempts: 1 });
    expect(error.message).toMatch(message);
    expect(error.message).toContain(`the base URL has no /v1, which most servers want: try ${server.url})`);
  });

  it.each([
    ['/other/v1/chat/completions', (url: string) => `${new URL(url).origin}/other/v1/chat/completions`],
    ['../x?y=1', (url: string) => `${url}/x?y=1`],
    ['//b.example/v1', () => 'http://b.example/v1'],
    ['https://b.example/v1', () => 'https://b.example/v1'],
    ['http://', () => 'http://'],
  ])('that redirects to %s is told the whole address', async (location, whole) => {
    const { server, ask } = await teacher((_, response) => {
      response.writeHead(308, { location }).end();
    });
    const { message } = await failure(ask());
    expect(message).toContain(`redirected to ${whole(server.url)}, name that address`);
  });

  it('with /v1 is not told to need one', async () => {
    const { ask } = await teacher(found);
    expect((await failure(ask())).message).toBe('HTTP 404 no /v1/chat/completions');
  });

  it('with a key in its query shows it to nobody', async () => {
    const server = await teacherServer((item, response) =>
      json(response, 403, { detail: `bad ${item.path}` }),
    );
    open.push(server.close);
    const client = await openTeacher({ baseUrl: `${server.url}?key=very-secret`, model: 'm' });
    const error = await failure(client.complete({ images: [], prompt: 'why' }));
    expect(error.message).toBe('HTTP 403 bad /v1/chat/completions?key=(key)');
    expect(client.url).toBe(server.url);
  });
});

describe('through a proxy', () => {
  async function proxied(value: (host: string) => string, answers: { status?: number } = {}) {
    const server = await teacherServer((_, response) => stream(response, 'It is red.'));
    const proxy = await webProxy({ port: Number(new URL(server.url).port), ...answers });
    open.push(proxy.close, server.close);
    vi.stubEnv('http_proxy', value(proxy.host));
    const backoff = { retries: 1, baseMs: 1, maxMs: 1 };
    const client = await openTeacher({ baseUrl: 'http://teacher.example/v1', model: 'm', backoff });
    return { proxy, server, ask: () => client.complete({ images: [], prompt: 'why' }) };
  }

  it('an answer is streamed', async () => {
    const { proxy, server, ask } = await proxied((host) => `http://me:secret@${host}`);
    expect((await ask()).text).toBe('It is red.');
    expect(proxy.asked).toEqual(['POST http://teacher.example/v1/chat/completions']);
    expect(server.received[0]?.headers.authorization).toBe('Bearer none');
  });

  it.each([
    [407, 1, /does not accept the user and password in http_proxy \(407\)/],
    [503, 2, /HTTP 503 proxy says no, through the proxy http:\S+ \(http_proxy\)/],
    [403, 1, /HTTP 403 proxy says no, through the proxy http:\S+ \(http_proxy\)/],
  ])('its answer %d names it', async (status, attempts, message) => {
    const { ask } = await proxied((host) => `http://me:secret@${host}`, { status });
    const error = await failure(ask());
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('secret');
    expect(error.attempts).toBe(attempts);
  });

  it('one that is not there ends the run', async () => {
    const { ask } = await proxied(() => '127.0.0.1:9');
    expect(await failure(ask())).toMatchObject({
      scope: 'run',
      message: 'the proxy http://127.0.0.1:9 (http_proxy) cannot be reached (ECONNREFUSED)',
    });
  });

  it('a host that no_proxy excludes and nobody knows is said to be asked directly', async () => {
    vi.stubEnv('no_proxy', '.invalid');
    const { proxy, ask } = await proxied((host) => host);
    const client = await openTeacher({
      baseUrl: 'http://teacher.invalid/v1',
      model: 'm',
      backoff: { retries: 0 },
    });
    const error = await failure(client.complete({ images: [], prompt: 'why' }));
    expect(error.message).toMatch(/^cannot be reached \(\w+\), without a proxy \(no_proxy lists it\)$/);
    expect(proxy.asked).toEqual([]);
    await ask();
  });

  it('of an unknown kind is refused before anything is asked', async () => {
    await expect(proxied(() => 'socks5h://127.0.0.1:1080')).rejects.toThrow(UsageError);
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

  it("honours the server's Retry-After, up to 15 minutes", () => {
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
  ['{"statusCode":413,"error":"Payload Too Large","message":"f"}', 'f'],
  ['[{"error":{"code":404,"message":"g"}}]', 'g'],
  ['{"error_code":17,"error_msg":"h"}', 'h'],
  ['plain\n text', 'plain text'],
  ['null', 'null'],
])('reads the message of %s', (body, message) => {
  expect(errorMessageOf(body)).toBe(message);
});
