/** Several servers that serve one teacher. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { openTeacher, type TeacherSettings } from '../../src/reasoning/client.js';
import { withoutProxies } from '../support/proxy.js';
import { json, type Reply, stream, teacherServer } from './teacherServer.js';

const open: (() => Promise<void>)[] = [];
beforeEach(() => withoutProxies(vi.stubEnv));
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of open.splice(0)) await close();
});

const good: Reply = (_, response) => stream(response, 'It is red.');
const serve = async (reply: Reply) => {
  const server = await teacherServer(reply);
  open.push(server.close);
  return server;
};
const ask = { images: [], prompt: 'why' };

async function team(replies: Reply[], traits: string[] = [], settings: Partial<TeacherSettings> = {}) {
  const servers: Awaited<ReturnType<typeof teacherServer>>[] = [];
  for (const reply of replies) servers.push(await serve(reply));
  const notices: string[] = [];
  const client = await openTeacher({
    baseUrl: servers.map(({ url }, i) => url + (traits[i] ?? '')),
    model: 'm',
    backoff: { retries: 2, baseMs: 20, maxMs: 40 },
    onNotice: (line) => notices.push(line),
    ...settings,
  });
  const counts = () => servers.map(({ received }) => received.length);
  const many = (n: number) => Promise.allSettled(Array.from({ length: n }, () => client.complete(ask)));
  return { servers, client, notices, counts, many };
}

it('are asked by their weights', async () => {
  const { counts, many } = await team([good, good], ['', '#weight=3']);
  await many(40);
  expect(counts()).toEqual([10, 30]);
});

it('get their own key, model name and header', async () => {
  vi.stubEnv('OPENAI_API_KEY', 'sk-common-1');
  vi.stubEnv('AZURE_KEY', 'azure-key-2');
  const { client, servers } = await team([good, good], ['', '#key=AZURE_KEY,model=o%2Cx,auth=api-key']);
  const answers = [await client.complete(ask), await client.complete(ask)];
  // Both are free each time, and the first one is chosen.
  const both = await Promise.all([client.complete(ask), client.complete(ask)]);
  expect(servers[0]?.received[0]).toMatchObject({
    body: { model: 'm' },
    headers: { authorization: 'Bearer sk-common-1' },
  });
  const [azure] = servers[1]!.received;
  expect(azure).toMatchObject({ body: { model: 'o,x' }, headers: { 'api-key': 'azure-key-2' } });
  expect(azure?.headers.authorization).toBeUndefined();
  expect([...answers, ...both].map(({ servedAs }) => servedAs)).toEqual([
    undefined,
    undefined,
    undefined,
    'o,x',
  ]);
});

describe('one that fails', () => {
  it.each<[string, Reply]>([
    ['refuses the key', (_, response) => json(response, 401, { detail: 'no' })],
    ['is always out of order', (_, response) => json(response, 500, { detail: 'no' })],
    ['drops connections', (_, response) => void response.socket?.destroy()],
    ['is always busy', (_, response) => json(response, 429, { detail: 'no' })],
  ])('because it %s is set aside, and no sample is lost', async (_, reply) => {
    const { counts, many, notices } = await team([reply, good]);
    const ends = [...(await many(30)), ...(await many(30))];
    expect(ends.every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(counts()[0]).toBeLessThan(40);
    expect(notices.filter((line) => /set aside/.test(line))).toHaveLength(1);
  });

  it('is tried again, and used when it answers', async () => {
    let down = true;
    const { client, counts, notices, many } = await team([
      (item, response) => (down ? json(response, 503, { detail: 'loading' }) : good(item, response)),
      good,
    ]);
    await many(12);
    down = false;
    const before = counts()[0]!;
    for (let i = 0; i < 500 && !notices.some((line) => /answers again$/.test(line)); i++) {
      await client.complete(ask);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(notices.at(-1)).toMatch(/^teacher at http:\S+ answers again$/);
    await many(12);
    expect(counts()[0]).toBeGreaterThan(before + 3);
  });

  it('costs a sample no retry when nobody is there', async () => {
    const { client, servers } = await team([good, good], [], { backoff: { retries: 0, baseMs: 1000 } });
    await servers[0]!.close();
    expect(await client.complete(ask)).toMatchObject({ text: 'It is red.', attempts: 2 });
  });

  it('and another that fails end the run together', async () => {
    const no: Reply = (_, response) => json(response, 403, { detail: 'no' });
    const { client, servers } = await team([no, no]);
    const error = await client.complete(ask).catch((caught) => caught);
    expect(error).toMatchObject({ scope: 'run', attempts: 2 });
    expect(error.message).toBe(`${servers[1]!.url}: HTTP 403 no`);
  });
});

it('adapt to a server that takes so many requests at once', async () => {
  let now = 0;
  let busy = 0;
  const { many } = await team(
    [
      async (_, response) => {
        if (now >= 4) {
          busy++;
          return json(response, 429, { detail: 'no' });
        }
        now++;
        await new Promise((resolve) => setTimeout(resolve, 10));
        now--;
        stream(response, 'It is red.');
      },
    ],
    [],
    { backoff: { retries: 20, baseMs: 5, maxMs: 50 } },
  );
  expect((await many(32)).every(({ status }) => status === 'fulfilled')).toBe(true);
  const burst = busy;
  expect((await many(120)).every(({ status }) => status === 'fulfilled')).toBe(true);
  expect(busy - burst).toBeLessThan(200);
});

it('wait as long as the server says once it says so twice in a row', async () => {
  const times: number[] = [];
  const { many } = await team([
    (item, response) => {
      times.push(performance.now());
      if (item.number > 2) good(item, response);
      else json(response, 429, { detail: 'no' }, { 'retry-after-ms': '150' });
    },
  ]);
  await many(2);
  expect(times).toHaveLength(4);
  expect(times[2]! - times[1]!).toBeGreaterThan(140);
});

it('get fewer requests when the first byte is late', async () => {
  let now = 0;
  let most = 0;
  const late: Reply = async (_, response) => {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 15));
    now--;
    stream(response, 'It is red.');
  };
  const { many } = await team([late], [], { slowMs: 5 });
  await many(16);
  await many(4);
  most = 0;
  await many(40);
  // All 40 at once without a limit.
  expect(most).toBeLessThan(16);
});

it('are alive while comments come', async () => {
  const { client } = await team(
    [
      async (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (let i = 0; i < 10; i++) {
          response.write(': keep-alive\n\n');
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
        finish(response);
      },
    ],
    [],
    { idleMs: 250, backoff: { retries: 0 } },
  );
  expect((await client.complete(ask)).text).toBe('It is red.');
});

function finish(response: Parameters<Reply>[1]): void {
  response.write('data: {"choices":[{"delta":{"content":"It is red."},"finish_reason":"stop"}]}\n\n');
  response.end('data: [DONE]\n\n');
}

it('keep a connection for the next request, and nobody waits for an end after [DONE]', async () => {
  const sockets = new Set<unknown>();
  const { client } = await team([
    (item, response) => {
      sockets.add(response.socket);
      if (item.number < 6) return good(item, response);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"choices":[{"delta":{"content":"It is red."},"finish_reason":"stop"}]}\n\n');
      response.write('data: [DONE]\n\n');
    },
  ]);
  for (let i = 0; i < 5; i++) await client.complete(ask);
  // The next request may be sent before the end of the last answer was read.
  expect(sockets.size).toBeLessThan(3);
  expect((await client.complete(ask)).text).toBe('It is red.');
});

it.each([
  ['#weight=0', /the weight is no number above 0/],
  ['#weight=x', /the weight is no number/],
  ['#key=sk-live-123', /^(?!.*sk-live).*key= takes the name of an environment variable/],
  ['#key=NO_SUCH_VARIABLE_HERE', /^(?!.*NO_SUCH).*the environment variable that key= names is not set/],
  ['#token=abc', /^(?!.*abc).*unknown word behind #; expected e\.g\. #weight=2/],
  ['#auth=basic', /auth= has no such value/],
  ['#model=', /model= has no such value/],
])('%s is refused', async (traits, message) => {
  const opened = openTeacher({ baseUrl: [`http://h/v1${traits}`], model: 'm' });
  await expect(opened).rejects.toThrow(UsageError);
  await expect(opened).rejects.toThrow(message);
});

it.each([
  ['https://x.openai.azure.com/openai/v1', 'api-key'],
  ['https://h/openai/deployments/gpt?api-version=2024-06-01', 'api-key'],
  ['https://h/openai/deployments/gpt#auth=bearer', 'bearer'],
  ['https://api.openai.com/v1', 'bearer'],
  ['https://generativelanguage.googleapis.com/v1beta/openai', 'bearer'],
])('%s takes its key as %s', async (url, auth) => {
  const { teacherTraits } = await import('../../src/reasoning/address.js');
  expect(teacherTraits(url).auth).toBe(auth);
});
