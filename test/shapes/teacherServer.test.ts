/** The teacher's server and its faults. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { readAnnotations } from '../../src/data/annotations.js';
import type { Sample } from '../../src/data/sample.js';
import { openTeacher } from '../../src/reasoning/client.js';
import { framesToPng, pngDataUrl } from '../../src/reasoning/images.js';
import { teacherPrompt } from '../../src/reasoning/prompt.js';
import { type EventsLine, makeShapes } from '../../src/shapes/dataset.js';
import { sampleFrames } from '../../src/shapes/render.js';
import { type RunningTeacher, type ServerOptions, startTeacher } from '../../src/shapes/teacherServer.js';

let folder: string;
let samples: Sample[];
let images: Map<string, string[]>;
let server: RunningTeacher | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shapes-server-'));
  await makeShapes({ out: folder, seed: 21, train: 8, val: 1, test: 1 });
  ({ samples } = await readAnnotations({ dataset: 'shapes', file: join(folder, 'train.csv') }));
  images = new Map();
  for (const line of (await readFile(join(folder, 'events.jsonl'), 'utf8')).trim().split('\n')) {
    const { video, clip } = JSON.parse(line) as EventsLine;
    images.set(video, (await framesToPng(sampleFrames(clip, 4))).map(pngDataUrl));
  }
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function start(options: Partial<ServerOptions> = {}): Promise<RunningTeacher> {
  server = await startTeacher({ dataset: folder, ...options });
  return server;
}

function bodyOf(sample: Sample, extra: object = {}): object {
  const parts = images.get(sample.video)!.map((url) => ({ type: 'image_url', image_url: { url } }));
  const text = { type: 'text', text: teacherPrompt(sample.question, sample.options) };
  return { model: 'shapes-teacher', messages: [{ role: 'user', content: [...parts, text] }], ...extra };
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${url}/chat/completions`, { method: 'POST', body: text, headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe('startTeacher', () => {
  it('answers in one piece', async () => {
    const { url, stats } = await start();
    const { status, text } = await post(url, bodyOf(samples[0]!));
    expect(status).toBe(200);
    const { object, model, choices, usage } = JSON.parse(text);
    expect([object, model, choices.length]).toEqual(['chat.completion', 'shapes-teacher', 1]);
    expect(choices[0].message.role).toBe('assistant');
    expect(choices[0].finish_reason).toBe('stop');
    expect(choices[0].message.content).toMatch(/frame/);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    expect(stats).toMatchObject({ requests: 1, answers: 1, refused: 0, peak: 1 });
  });

  it('streams the same text as server-sent events', async () => {
    const { url } = await start();
    const whole = JSON.parse((await post(url, bodyOf(samples[1]!))).text).choices[0].message.content;
    const { text, headers } = await post(url, bodyOf(samples[1]!, { stream: true }));
    expect(headers.get('content-type')).toBe('text/event-stream');
    const events = text
      .split('\n\n')
      .filter(Boolean)
      .map((event) => event.replace(/^data: /, ''));
    expect(events.pop()).toBe('[DONE]');
    const chunks = events.map((event) => JSON.parse(event));
    expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('')).toBe(whole);
    expect(chunks.every((chunk) => chunk.object === 'chat.completion.chunk')).toBe(true);
    expect(chunks.map((chunk) => chunk.choices[0].finish_reason).filter(Boolean)).toEqual(['stop']);
  });

  it('cuts an answer at max_tokens and says so', async () => {
    const { url } = await start();
    const { text } = await post(url, bodyOf(samples[0]!, { max_tokens: 5 }));
    const [choice] = JSON.parse(text).choices;
    expect(choice.finish_reason).toBe('length');
    expect(choice.message.content.trim().split(/\s+/)).toHaveLength(5);
  });

  it('counts its wrong answers', async () => {
    const { url, stats } = await start({ errorRate: 1 });
    for (const sample of samples.slice(0, 5)) await post(url, bodyOf(sample));
    expect(stats).toMatchObject({ answers: 5, wrong: 5 });
  });

  it('serves the list of models and its health', async () => {
    const { url, port, model } = await start({ model: 'other' });
    expect(url).toBe(`http://127.0.0.1:${port}/v1`);
    const models = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] };
    expect(models.data.map((entry) => entry.id)).toEqual([model]);
    expect(await (await fetch(url.replace('/v1', '/health'))).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  it('refuses requests that it cannot answer, in the form of OpenAI errors', async () => {
    const { url, stats } = await start();
    const gray = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#777' } })
      .png()
      .toBuffer();
    const shown = (content: unknown) => ({ model: 'shapes-teacher', messages: [{ role: 'user', content }] });
    const text = { type: 'text', text: teacherPrompt('what is it', ['a', 'b']) };
    const image = (link: string) => ({ type: 'image_url', image_url: { url: link } });
    const cases: [unknown, number, RegExp][] = [
      ['{', 400, /not JSON/],
      ['[]', 400, /not a JSON object/],
      [{ ...bodyOf(samples[0]!), model: 'gpt-4o' }, 404, /no model "gpt-4o"/],
      [{ model: 'shapes-teacher' }, 400, /no messages/],
      [shown(3), 400, /no content/],
      [shown('What is in the video?'), 400, /###Question/],
      [shown([text]), 400, /no images/],
      [shown([image('https://example.org/a.png'), text]), 400, /not a base64 data URL/],
      [shown([image(pngDataUrl(gray)), text]), 400, /shows no clip that I know/],
      [shown([image(pngDataUrl(Buffer.from('nothing'))), text]), 400, /cannot be read/],
    ];
    for (const [body, status, message] of cases) {
      const response = await post(url, body);
      expect(response.status).toBe(status);
      const { error } = JSON.parse(response.text);
      expect(error.message).toMatch(message);
      expect(error.type).toBe('invalid_request_error');
    }
    expect(stats).toMatchObject({ requests: cases.length, answers: 0, refused: cases.length });
  });

  it('asks for its key when it has one', async () => {
    const { url } = await start({ apiKey: 'secret' });
    expect((await post(url, bodyOf(samples[0]!))).status).toBe(401);
    expect((await post(url, bodyOf(samples[0]!), { authorization: 'Bearer secret' })).status).toBe(200);
  });

  it('says that the port is taken', async () => {
    const { port } = await start();
    await expect(startTeacher({ dataset: folder, port })).rejects.toThrow('EADDRINUSE');
  });
});

describe('faults', () => {
  it('fail as the script says, each in its way', async () => {
    const { url, stats } = await start({
      script: ['error', 'busy', 'garbage', 'empty', 'truncated', 'truncated', 'slow', 'ok'],
      slowMs: 50,
      retryAfter: 7,
    });
    const sample = samples[0]!;
    const error = await post(url, bodyOf(sample));
    expect([error.status, JSON.parse(error.text).error.type]).toEqual([500, 'server_error']);
    const busy = await post(url, bodyOf(sample));
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '7']);
    const garbage = await post(url, bodyOf(sample));
    expect(garbage.status).toBe(200);
    expect(() => JSON.parse(garbage.text)).toThrow();
    expect(JSON.parse((await post(url, bodyOf(sample))).text).choices[0].message.content).toBe('');
    await expect(post(url, bodyOf(sample, { stream: true }))).rejects.toThrow();
    await expect(post(url, bodyOf(sample))).rejects.toThrow();
    const started = performance.now();
    expect((await post(url, bodyOf(sample))).status).toBe(200);
    expect(performance.now() - started).toBeGreaterThanOrEqual(49);
    expect((await post(url, bodyOf(sample))).status).toBe(200);
    expect(stats.faults).toEqual({ error: 1, busy: 1, garbage: 1, empty: 1, truncated: 2, slow: 1 });
  });

  it('fail at the given rate, the same requests for the same seed', async () => {
    const outcomes: number[][] = [];
    for (let run = 0; run < 2; run++) {
      const { url } = await start({ failRate: 0.4, faults: ['error', 'busy'], seed: 3 });
      const statuses: number[] = [];
      for (let i = 0; i < 60; i++)
        statuses.push((await post(url, bodyOf(samples[i % samples.length]!))).status);
      outcomes.push(statuses);
      await server?.close();
    }
    expect(outcomes[1]).toEqual(outcomes[0]);
    const failed = outcomes[0]!.filter((status) => status !== 200).length;
    expect(failed).toBeGreaterThan(12);
    expect(failed).toBeLessThan(36);
    expect(new Set(outcomes[0])).toEqual(new Set([200, 429, 500]));
  });

  it('are overcome by the client of reasoning/, which gets the answer it would have had without them', async () => {
    const calm = await start();
    const plain = await openTeacher({ baseUrl: calm.url, model: calm.model });
    const sample = samples[2]!;
    const request = {
      images: images.get(sample.video)!,
      prompt: teacherPrompt(sample.question, sample.options),
    };
    const expected = (await plain.complete(request)).text;
    await calm.close();
    const { url, model, stats } = await start({ script: ['error', 'busy', 'truncated', 'garbage'] });
    const client = await openTeacher({ baseUrl: url, model, backoff: { retries: 8, baseMs: 1, maxMs: 5 } });
    const { text, attempts } = await client.complete(request);
    expect([text, attempts, stats.requests]).toEqual([expected, 5, 5]);
  });
});
