import { once } from 'node:events';
import { mkdtemp, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { type ClientRequest, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { ownFile } from '../../src/base/packageFiles.js';
import { readAnnotations } from '../../src/data/annotations.js';
import { Answers, type AskEvent } from '../../src/serve/answers.js';
import { DeviceQueue } from '../../src/serve/queue.js';
import { startServer } from '../../src/serve/server.js';
import { VideoStore } from '../../src/serve/videos.js';
import { openAsked } from '../../src/training/asked.js';
import { send, serveShapes } from './support.js';

let server: Awaited<ReturnType<typeof serveShapes>>;
let clip: Buffer;
/** Folder of this file's uploads alone. */
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'server-test-'));
  vi.stubEnv('TMPDIR', scratch);
  clip = await readFile(ownFile('bench/shapes/clip.webp'));
  server = await serveShapes();
});
afterAll(async () => {
  await server.close();
  vi.unstubAllEnvs();
  // Nothing is left of it.
  expect(await readdir(scratch)).toEqual([]);
  await rm(scratch, { recursive: true });
  expect(server.errors).toEqual([]);
});

const QUESTION = { video: 'example-1', question: 'what is seen?', options: ['a circle', 'a star'] };
interface Body {
  id: string;
  error: string;
  answer: string;
  options: { probability: number }[];
  frames: { seconds: number }[];
  waiting: number;
  videos: object[];
}
const bodyOf = async (reply: Response | Promise<Response>) => (await (await reply).json()) as Body;
const json = { 'content-type': 'application/json' };
const post = (body: unknown, headers: Record<string, string> = json) =>
  fetch(`${server.url}/api/ask`, { method: 'POST', headers, body: JSON.stringify(body) });
const upload = (body: Buffer, name = 'clip.webp') =>
  fetch(`${server.url}/api/videos?name=${encodeURIComponent(name)}`, { method: 'POST', body });
/** Files of uploads, whole or not. */
const uploads = async () => {
  const folders = await readdir(scratch);
  const lists = await Promise.all(folders.map((name) => readdir(join(scratch, name))));
  return lists.flat().filter((name) => name !== 'examples');
};
const exampleFile = async () => join(scratch, (await readdir(scratch))[0]!, 'examples/val.csv');
const remove = (id: string) => fetch(`${server.url}/api/videos/${id}`, { method: 'DELETE' });
/** The events of an answer that is followed. */
const follow = async (body: object) => {
  const response = await post(body, { ...json, accept: 'text/event-stream' });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return [...(await response.text()).matchAll(/^event: (\w+)\ndata: (.*)$/gm)].map(([, event, data]) => ({
    event,
    ...JSON.parse(data!),
  }));
};
/** Until a promise's value satisfies a test. */
const until = async <T>(value: () => Promise<T>, test: (value: T) => boolean) => {
  while (!test(await value())) await after(20);
};

describe('an answer', () => {
  it('is what ask --json prints', async () => {
    const report = await bodyOf(post(QUESTION));
    expect(report).toEqual({
      question: QUESTION.question,
      answer: expect.stringMatching(/^[AB]$/),
      options: ['a circle', 'a star'].map((text, i) => ({
        letter: 'AB'[i],
        text,
        probability: expect.any(Number),
      })),
      reasoning: expect.any(String),
      frames: [2, 6, 10, 14].map((index) => ({ index, seconds: expect.any(Number) })),
    });
    const [a, b] = report.options.map(({ probability }) => probability);
    expect(a! + b!).toBeCloseTo(1, 6);
    expect(report.answer).toBe(a! >= b! ? 'A' : 'B');
  });

  it('is text without options, and has no reasoning where none is wanted', async () => {
    const { options: _, ...open } = QUESTION;
    const report = await bodyOf(post({ ...open, reasoning: false }));
    expect(Object.keys(report)).toEqual(['question', 'answer', 'frames']);
    expect(typeof report.answer).toBe('string');
  });

  it('sees the part of the video between start and end', async () => {
    const part = await bodyOf(post({ ...QUESTION, start: 0, end: 0.5, reasoning: false }));
    expect(part.frames.every(({ seconds }) => seconds <= 0.5)).toBe(true);
  });

  it('comes as events: place, frames, answer, the text that grows, the whole', async () => {
    const events = await follow(QUESTION);
    const names = events.map(({ event }) => event);
    expect(names.slice(0, 3)).toEqual(['queued', 'frames', 'answer']);
    expect(names.at(-1)).toBe('done');
    expect(events[1].frames[0].image).toMatch(/^data:image\/webp;base64,/);
    const texts = events.filter(({ event }) => event === 'text').map(({ text }) => text as string);
    const whole = events.at(-1).report;
    expect(texts.at(-1)).toBe(whole.reasoning);
    expect(new Set(texts.map(({ length }) => length)).size).toBeGreaterThan(2);
    expect(events[2].report).toEqual({ ...whole, reasoning: undefined });
    expect(await bodyOf(post(QUESTION))).toEqual(whole);
  });

  it('is an error event where something goes wrong after the first event', async () => {
    const events = await follow({ ...QUESTION, start: 99 });
    expect(events).toEqual([
      { event: 'queued', place: 0 },
      { event: 'error', status: 422, error: expect.stringMatching(/^Shapes 1: the clip starts at 99 s/) },
    ]);
  });

  it('about a video that is removed while the question waits says so', async () => {
    const store = await VideoStore.create({ bytes: 1e6, videos: 1, silence: 60_000 });
    const queue = new DeviceQueue(1);
    const answers = new Answers(await openAsked({}), store, queue);
    const video = await store.upload(Readable.from([clip]), 'clip.webp', async () => undefined);
    let release!: () => void;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { signal } = new AbortController();
    const busy = queue.run(
      () => held,
      signal,
      () => undefined,
    );
    const places: AskEvent[] = [];
    const waiting = answers.answer({ ...QUESTION, video: video.id }, signal, (event) => places.push(event));
    while (places.length === 0) await after(5);
    await store.remove(video.id);
    release();
    await busy;
    await expect(waiting).rejects.toMatchObject({ status: 410, message: 'clip.webp: the video was removed' });
    expect(places).toEqual([
      { event: 'queued', place: 1 },
      { event: 'queued', place: 0 },
    ]);
    answers.close();
    await store.close();
  });
});

describe('the examples', () => {
  it('ask in the words of the world that the student learned from', async () => {
    const { samples } = await readAnnotations({ dataset: 'shapes', file: await exampleFile() });
    const { videos } = (await (await fetch(`${server.url}/api/videos`)).json()) as {
      videos: { questions: object[] }[];
    };
    expect(videos.flatMap(({ questions }) => questions)).toEqual(
      samples.map(({ question, options, answer }) => ({ question, options, answer })),
    );
    expect(samples.filter(({ question }) => question.endsWith('?'))).toEqual([]);
  });
});

describe('many questions', () => {
  it('a hundred at once are answered or told to come again', async () => {
    const replies = await Promise.all(
      Array.from({ length: 100 }, () => post({ ...QUESTION, reasoning: false })),
    );
    const statuses = replies.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    // One in work and three that wait, at least.
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(4);
    for (const { headers } of replies.filter(({ status }) => status === 503))
      expect(headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
  });

  it('in turn leave no tensor behind', async () => {
    await post(QUESTION);
    const before = tf.memory().numTensors;
    for (let i = 0; i < 8; i++)
      await post({ ...QUESTION, video: `example-${1 + (i % 4)}`, reasoning: i < 2 });
    await post(QUESTION);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('whose reader goes away make room for the next', async () => {
    const before = tf.memory().numTensors;
    const controllers = Array.from({ length: 4 }, () => new AbortController());
    const asked = controllers.map(async ({ signal }) => {
      const headers = { ...json, accept: 'text/event-stream' };
      const body = JSON.stringify(QUESTION);
      const response = await fetch(`${server.url}/api/ask`, { method: 'POST', headers, body, signal });
      await response.body!.getReader().read();
    });
    await Promise.allSettled(asked);
    for (const controller of controllers) controller.abort();
    const waiting = async () => (await bodyOf(fetch(`${server.url}/api/state`))).waiting;
    await until(waiting, (count) => count === 0);
    expect((await post({ ...QUESTION, reasoning: false })).status).toBe(200);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a question that cannot be asked', () => {
  const options = Array.from({ length: 27 }, (_, i) => `${i}`);
  it.each<[string, unknown, number, RegExp]>([
    ['an empty question', { ...QUESTION, question: '  ' }, 400, /question: expected text/],
    ['no question', { video: 'example-1' }, 400, /^question: /],
    ['one option', { ...QUESTION, options: ['a'] }, 400, /2 to 26, got 1/],
    ['27 options', { ...QUESTION, options }, 400, /got 27/],
    ['options that are numbers', { ...QUESTION, options: [1, 2] }, 400, /list of texts/],
    ['a long question', { ...QUESTION, question: 'a'.repeat(10_001) }, 400, /10000 characters, got 10001/],
    ['an end before the start', { ...QUESTION, start: 2, end: 1 }, 400, /end: /],
    [
      'a start after the end of the video',
      { ...QUESTION, start: 99 },
      422,
      /^Shapes 1: the clip starts at 99/,
    ],
    ['a task that is not known', { ...QUESTION, task: 'dance' }, 400, /^task: expected one of choice, open,/],
    ['options of a description', { ...QUESTION, task: 'caption' }, 400, /^options: expected none/],
    ['a key that is not known', { ...QUESTION, optoins: [] }, 400, /^optoins: unknown key/],
    ['a list', [1], 400, /JSON object/],
    ['another video', { ...QUESTION, video: 'none' }, 404, /no video "none"/],
    ['a path for a video', { ...QUESTION, video: '../../etc/passwd' }, 404, /no video/],
    ['a file of the server', { ...QUESTION, video: 'examples/val.csv' }, 404, /no video/],
  ])('is refused: %s', async (_, body, status, message) => {
    const reply = await post(body);
    expect({ status: reply.status, ...(await bodyOf(reply)) }).toEqual({
      status,
      error: expect.stringMatching(message),
    });
  });

  it('of a megabyte and more is refused, and the server goes on', async () => {
    for (const characters of [2 ** 20, 2 ** 22]) {
      const reply = await post({ ...QUESTION, question: 'why '.repeat(characters / 4) });
      expect(reply.status).toBe(characters > 2 ** 21 ? 413 : 400);
    }
    expect((await post({ ...QUESTION, reasoning: false })).status).toBe(200);
  });

  it('is one that has to be JSON by its type, which no form of another site can send', async () => {
    expect((await post(QUESTION, { 'content-type': 'text/plain' })).status).toBe(415);
    const broken = await send(`${server.url}/api/ask`, {
      ...{ method: 'POST', headers: json, write: (sent) => sent.end('{"video":') },
    });
    expect(broken.status).toBe(400);
  });

  it('is one whose text is UTF-8', async () => {
    const bytes = Buffer.from(JSON.stringify({ ...QUESTION, question: 'caf\u00e9?' }), 'latin1');
    const reply = await fetch(`${server.url}/api/ask`, { method: 'POST', headers: json, body: bytes });
    expect([reply.status, (await bodyOf(reply)).error]).toEqual([400, 'the request is not JSON in UTF-8']);
  });
});

describe('an upload', () => {
  it('becomes a video that is asked about, whatever it is called', async () => {
    const reply = await upload(clip, '../../x/<b>clip\n.mp4');
    expect(reply.status).toBe(201);
    const video = await bodyOf(reply);
    expect(video).toEqual({
      ...{ id: expect.stringMatching(/^[0-9a-f]{16}$/), name: '<b>clip.mp4', kind: 'upload' },
      ...{ bytes: clip.length, questions: [] },
    });
    expect(await uploads()).toContain(`${video.id}.webp`);
    expect((await post({ ...QUESTION, video: video.id })).status).toBe(200);
    const { frames } = await bodyOf(fetch(`${server.url}/api/videos/${video.id}/frames`));
    expect(frames).toHaveLength(4);
    expect((await remove(video.id)).status).toBe(204);
    expect((await post({ ...QUESTION, video: video.id })).status).toBe(404);
    expect(await uploads()).toEqual([]);
  });

  it('on a full disk is refused, and leaves nothing', async () => {
    const file = await open(ownFile('bench/shapes/clip.webp'));
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const write = vi.spyOn(Object.getPrototypeOf(file), 'writeFile').mockRejectedValueOnce(full);
    await file.close();
    const reply = await upload(clip);
    write.mockRestore();
    expect({ status: reply.status, ...(await bodyOf(reply)) }).toEqual({
      status: 507,
      error: 'the disk is full',
    });
    expect(await uploads()).toEqual([]);
  });

  it('whose file is deleted is said to be removed', async () => {
    const { id } = await bodyOf(upload(clip));
    await post({ ...QUESTION, video: id, reasoning: false });
    const [folder] = await readdir(scratch);
    await rm(join(scratch, folder!, `${id}.webp`));
    const reply = await post({ ...QUESTION, video: id });
    expect({ status: reply.status, ...(await bodyOf(reply)) }).toEqual({
      status: 410,
      error: 'clip.webp: the video was removed',
    });
    await remove(id);
  });

  it.each<[string, () => Buffer, RegExp]>([
    ['a web page', () => Buffer.from('<html><body>Not found'), /^clip\.webp: no video, it is a web page/],
    ['nothing', () => Buffer.alloc(0), /it is empty/],
    ['a clip cut in half', () => clip.subarray(0, clip.length >> 1), /^clip\.webp: /],
    [
      'noise behind a good beginning',
      () => Buffer.concat([clip.subarray(0, 40), Buffer.alloc(400)]),
      /^clip/,
    ],
  ])(
    'of %s is refused by name, without a path of the server, and leaves nothing',
    async (_, body, message) => {
      const reply = await upload(body());
      expect(reply.status).toBe(422);
      const { error } = await bodyOf(reply);
      expect(error).toMatch(message);
      expect(error).not.toContain(tmpdir());
      expect(await uploads()).toEqual([]);
    },
  );

  it('that says it is too long is refused before a byte of it is read', async () => {
    const address = `${server.url}/api/videos`;
    const headers = { 'content-length': '5000000000' };
    const reply = await send(address, { method: 'POST', headers, write: (sent) => sent.flushHeaders() });
    expect(reply.status).toBe(413);
    expect(JSON.parse(reply.body).error).toMatch(/more than 1 MB/);
    const asking = request(address, { method: 'POST', headers: { ...headers, expect: '100-continue' } });
    asking.on('error', () => {});
    let continued = false;
    asking.on('continue', () => {
      continued = true;
    });
    asking.flushHeaders();
    const [response] = await once(asking, 'response');
    expect([response.statusCode, continued]).toEqual([413, false]);
    asking.destroy();
  });

  it('without a length is cut at the limit', async () => {
    let sent = 0;
    const reply = await send(`${server.url}/api/videos`, {
      ...{ method: 'POST', headers: { 'transfer-encoding': 'chunked' } },
      write: (client) => {
        const chunk = Buffer.alloc(2 ** 16);
        client.write(clip.subarray(0, 1000));
        const more = () => {
          while (!client.destroyed && sent < 2 ** 28) {
            sent += chunk.length;
            if (!client.write(chunk)) return void client.once('drain', more);
          }
        };
        more();
      },
    });
    expect(reply.status).toBe(413);
    expect(sent).toBeLessThan(2 ** 28);
    await until(uploads, (files) => files.length === 0);
  });

  it('of gigabytes that are no video is refused by its first bytes', async () => {
    const headers = { 'content-length': '900000' };
    const write = (sent: ClientRequest) => void sent.write(Buffer.alloc(1000));
    const reply = await send(`${server.url}/api/videos?name=a.mp4`, { method: 'POST', headers, write });
    expect([reply.status, JSON.parse(reply.body).error]).toEqual([
      422,
      expect.stringMatching(/^a\.mp4: no video, it begins like none/),
    ]);
    expect(await uploads()).toEqual([]);
  });

  it('that stops half-way leaves nothing', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write('POST /api/videos HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10000\r\n\r\n');
    socket.write(clip.subarray(0, 2000));
    await until(uploads, (files) => files.length === 1);
    socket.destroy();
    await until(uploads, (files) => files.length === 0);
    expect((await bodyOf(fetch(`${server.url}/api/videos`))).videos).toHaveLength(4);
  });

  it('or a question that stops half-way is told so, and lets others go on', async () => {
    const patient = await serveShapes({ silence: 100 });
    const stopped = (path: string, headers: Record<string, string>) =>
      send(patient.url + path, {
        ...{ method: 'POST', headers: { ...headers, 'content-length': '10000' } },
        write: (sent) => sent.write('{"video":'),
      });
    for (const reply of [await stopped('/api/videos', {}), await stopped('/api/ask', json)]) {
      expect(reply.status).toBe(408);
      expect(JSON.parse(reply.body).error).toBe('the request broke off: nothing of it came for 0.1 s');
    }
    const { status } = await fetch(`${patient.url}/api/videos`, { method: 'POST', body: clip });
    expect(status).toBe(201);
    await patient.close();
  });

  it('finds a folder again where a tidy program removed it; a folder that cannot be is the fault of the server', async () => {
    const [folder] = await readdir(scratch);
    await rename(join(scratch, folder!), join(scratch, 'away'));
    const { id } = await bodyOf(upload(clip));
    expect((await post({ ...QUESTION, video: id, reasoning: false })).status).toBe(200);
    await rm(join(scratch, folder!), { recursive: true });
    await writeFile(join(scratch, folder!), 'in the way');
    const reply = await upload(clip);
    expect([reply.status, (await bodyOf(reply)).error]).toEqual([
      500,
      expect.stringMatching(/^the server cannot use its folder \(E[A-Z]+\)$/),
    ]);
    // Whoever runs the server is told the place.
    expect(server.errors.splice(0)).toEqual([expect.stringContaining(folder!)]);
    await rm(join(scratch, folder!));
    await rename(join(scratch, 'away'), join(scratch, folder!));
    await remove(id);
  });

  it('beyond those that are kept is refused until one is removed', async () => {
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await bodyOf(upload(clip))).id);
    const refused = await upload(clip);
    expect([refused.status, (await bodyOf(refused)).error]).toEqual([507, expect.stringMatching(/5 videos/)]);
    await remove(ids.pop()!);
    const again = await upload(clip);
    expect(again.status).toBe(201);
    ids.push((await bodyOf(again)).id);
    for (const id of ids) await remove(id);
    expect((await remove('example-1')).status).toBe(403);
  });
});

describe('a request', () => {
  it.each([
    ['of a foreign origin', '/api/ask', { origin: 'https://evil.example' }, 403],
    ['to a foreign host', '/api/state', { host: 'evil.example' }, 421],
    ['to the page by a foreign name', '/', { host: 'evil.example' }, 421],
    ['for a file beside the page', '/../server.ts', {}, 404],
    ['for a file beside the page, encoded', '/%2e%2e/server.ts', {}, 404],
    ['for what is not there', '/api/none', {}, 404],
    ['for a video by a path', '/api/videos/..%2f..%2fetc/frames', {}, 404],
  ])('%s is refused', async (_, path, headers, status) => {
    const { hostname, port } = new URL(server.url);
    const sent = request({ hostname, port, path, headers, agent: false });
    sent.end();
    const [reply] = await once(sent, 'response');
    expect(reply.statusCode).toBe(status);
    reply.resume();
  });

  it('is answered under a policy that loads and runs nothing foreign', async () => {
    for (const path of ['/', '/page.js', '/base.css', '/api/state']) {
      const reply = await fetch(`${server.url}${path}`);
      expect(reply.status, path).toBe(200);
      expect(reply.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
      await reply.arrayBuffer();
    }
    expect(await (await fetch(server.url)).text()).not.toMatch(/<script(?![^>]* src=)|\son\w+=|style=/);
  });
});

describe('starting', () => {
  const options = { host: '127.0.0.1', port: 0, uploadBytes: 1, videos: 1, queue: 1, onError: () => {} };
  it('says that a port is in use, and how to choose another', async () => {
    const port = Number(new URL(server.url).port);
    const busy = startServer({ ...options, port });
    await expect(busy).rejects.toThrow(UsageError);
    await expect(busy).rejects.toThrow(`port ${port} of 127.0.0.1 is in use; choose another with --port`);
    await expect(startServer({ ...options, port: 70_000 })).rejects.toThrow(/expected 0 to 65535/);
    await expect(startServer({ ...options, host: '192.0.2.1' })).rejects.toThrow(
      /no address of this machine/,
    );
    await expect(startServer({ ...options, host: ' ' })).rejects.toThrow(
      '--host: expected an address, got none',
    );
  });

  it('says that there is no place for uploads, and how to name one', async () => {
    vi.stubEnv('TMPDIR', join(scratch, 'none'));
    await expect(startServer(options)).rejects.toThrow(/none: no folder for uploads can be made .*TMPDIR$/);
    vi.stubEnv('TMPDIR', scratch);
  });

  it('answers 503 until it has a model', async () => {
    const early = await startServer(options);
    const reply = await fetch(`${early.url}/api/state`);
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2']);
    await reply.text();
    await early.close();
  });
});
