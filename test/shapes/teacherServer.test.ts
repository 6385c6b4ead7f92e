/** The teacher's server, alone and behind faults. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { readAnnotations } from '../../src/data/annotations.js';
import type { Sample } from '../../src/data/sample.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { openTeacher } from '../../src/reasoning/client.js';
import { framesToPng, pngDataUrl } from '../../src/reasoning/images.js';
import { promptFor, teacherPrompt } from '../../src/reasoning/prompt.js';
import { type EventsLine, makeShapes } from '../../src/shapes/dataset.js';
import { sampleFrames } from '../../src/shapes/render.js';
import { type RunningTeacher, startTeacher } from '../../src/shapes/teacherServer.js';
import { FAULTS, teacherFront } from '../support/teacherFront.js';

let folder: string;
let samples: Sample[];
let images: Map<string, string[]>;
const open: (() => Promise<void>)[] = [];

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
  for (const close of open.splice(0)) await close();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function start(options: { errorRate?: number } = {}): Promise<RunningTeacher> {
  const server = await startTeacher({ dataset: folder, ...options });
  open.push(server.close);
  return server;
}

function bodyOf(sample: Sample, extra: object = {}): object {
  const parts = images.get(sample.video)!.map((url) => ({ type: 'image_url', image_url: { url } }));
  const text = { type: 'text', text: teacherPrompt(sample.question, sample.options) };
  return { model: 'shapes-teacher', messages: [{ role: 'user', content: [...parts, text] }], ...extra };
}

async function post(url: string, body: unknown) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${url}/chat/completions`, { method: 'POST', body: text });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

describe('startTeacher', () => {
  it.each(['brief', 'detailed'] as const)('writes a %s caption of the clip', async (writing) => {
    const { url } = await start();
    const sample = samples[0]!;
    const body = bodyOf(sample) as { messages: { content: object[] }[] };
    const text = promptFor(writing, sample.question, sample.options);
    body.messages[0]!.content.splice(-1, 1, { type: 'text', text });
    const answer = await post(url, body);
    expect(answer.status).toBe(200);
    const { content } = JSON.parse(answer.text).choices[0].message;
    const sentences = content.split('. ').length;
    expect(content).toMatch(/^a .* on a \w+ background\./);
    if (writing === 'brief') expect(sentences).toBe(1);
    else expect(sentences).toBeGreaterThan(1);
  });

  it('answers in one piece', async () => {
    const { url } = await start();
    const { status, text } = await post(url, bodyOf(samples[0]!));
    expect(status).toBe(200);
    const { object, model, choices, usage } = JSON.parse(text);
    expect([object, model, choices.length]).toEqual(['chat.completion', 'shapes-teacher', 1]);
    expect(choices[0].message.role).toBe('assistant');
    expect(choices[0].finish_reason).toBe('stop');
    expect(choices[0].message.content).toMatch(/frame/);
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
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

  it('errs at the rate it is given', async () => {
    const { url } = await start({ errorRate: 1 });
    for (const sample of samples.slice(0, 5)) {
      const { content } = JSON.parse((await post(url, bodyOf(sample))).text).choices[0].message;
      const chosen = predictedAnswer(content, sample.options);
      expect(chosen).toBeTypeOf('number');
      expect(chosen).not.toBe(sample.answer);
    }
  });

  it('serves the list of models and its health', async () => {
    const { url, model } = await start();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/);
    const models = (await (await fetch(`${url}/models`)).json()) as { data: { id: string }[] };
    expect(models.data.map((entry) => entry.id)).toEqual([model]);
    expect(await (await fetch(url.replace('/v1', '/health'))).json()).toEqual({ status: 'ok' });
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
  });

  it('refuses requests that it cannot answer, in the form of OpenAI errors', async () => {
    const { url } = await start();
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
      [
        shown([image(images.get(samples[0]!.video)![0]!), text]),
        400,
        /"what is it" with these options is no/,
      ],
    ];
    for (const [body, status, message] of cases) {
      const response = await post(url, body);
      expect(response.status).toBe(status);
      const { error } = JSON.parse(response.text);
      expect(error.message).toMatch(message);
      expect(error.type).toBe('invalid_request_error');
    }
  });

  it('says that the port is taken', async () => {
    const port = Number(new URL((await start()).url).port);
    await expect(startTeacher({ dataset: folder, port })).rejects.toThrow('EADDRINUSE');
  });
});

describe('faults in front of the teacher', () => {
  const request = (sample: Sample) => ({
    images: images.get(sample.video)!,
    prompt: teacherPrompt(sample.question, sample.options),
  });
  const backoff = { retries: 8, baseMs: 1, maxMs: 5 };

  it('are overcome by the client of reasoning/, one after the other', async () => {
    const { url, model } = await start();
    const plain = await openTeacher({ baseUrl: url, model });
    const expected = (await plain.complete(request(samples[2]!))).text;
    const front = await teacherFront(url, FAULTS);
    open.push(front.close);
    const client = await openTeacher({ baseUrl: front.url, model, backoff });
    const { text, attempts } = await client.complete(request(samples[2]!));
    // The last one is slow, which is no failure.
    expect([text, attempts, front.received.length]).toEqual([expected, FAULTS.length, FAULTS.length]);
  });

  it('change no answer when two of five requests fail', async () => {
    const { url, model } = await start();
    const rng = new Rng('faults');
    const faults = Array.from({ length: 60 }, () => (rng.chance(0.4) ? rng.pick(FAULTS) : 'none'));
    const front = await teacherFront(url, faults);
    open.push(front.close);
    const [plain, client] = await Promise.all(
      [url, front.url].map((baseUrl) => openTeacher({ baseUrl, model, backoff })),
    );
    for (const sample of samples)
      expect((await client!.complete(request(sample))).text).toBe(
        (await plain!.complete(request(sample))).text,
      );
    expect(front.received.length).toBeGreaterThan(samples.length + 5);
  });
});
