/** Generation of reasoning: continuation, failures, order. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError, Interrupted, MissingToolError, UsageError } from '../../src/base/errors.js';
import { HeldError } from '../../src/base/lock.js';
import { Rng } from '../../src/base/random.js';
import { joinReasoning } from '../../src/data/reasoning.js';
import type { Sample } from '../../src/data/sample.js';
import { openTeacher, type TeacherSettings } from '../../src/reasoning/client.js';
import { type GenerateOptions, generateReasoning } from '../../src/reasoning/generate.js';
import { PriceTable } from '../../src/reasoning/prices.js';
import { parseTeacherPrompt } from '../../src/reasoning/prompt.js';
import type { ReasoningRow } from '../../src/reasoning/row.js';
import { withoutProxies } from '../support/proxy.js';
import { event, json, type Reply, stream, teacherServer } from './teacherServer.js';

let folder: string;
let out: string;
const open: (() => Promise<void>)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'generate-'));
  out = join(folder, 'reasoning.jsonl');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const close of open.splice(0)) await close();
  rmSync(folder, { recursive: true });
});

const SAMPLES: Sample[] = Array.from({ length: 12 }, (_, i) => ({
  id: `v${i}_0`,
  dataset: 'test',
  video: `v${i}`,
  question: `what happens in ${i}?`,
  options: ['he sits', 'he runs', 'he waits'],
  type: 'TN',
  ...(i === 11 ? {} : { answer: i % 3 }),
}));

/** Answers option B to everything, so a third of the answers is right. */
const good: Reply = (item, response) => {
  stream(response, `Steps about ${parseTeacherPrompt(item.prompt)?.question}\n###Answer: B`);
};
const frames = {
  data: new Uint8Array(2 * 3 * 4 * 3),
  n: 2,
  height: 3,
  width: 4,
  indices: Int32Array.of(0, 9),
};

async function setup(
  reply: Reply,
  change: Partial<GenerateOptions> = {},
  teacher: Partial<TeacherSettings> = {},
) {
  const server = await teacherServer(reply);
  open.push(server.close);
  const client = await openTeacher({
    baseUrl: server.url,
    model: 'm',
    backoff: { retries: 1, baseMs: 1, maxMs: 1 },
    ...teacher,
  });
  const options: GenerateOptions = {
    samples: SAMPLES,
    framesOf: async () => frames,
    frameCount: 2,
    client,
    out,
    ...change,
  };
  return {
    server,
    options,
    run: (more: Partial<GenerateOptions> = {}) => generateReasoning({ ...options, ...more }),
  };
}

const rows = (): ReasoningRow[] =>
  readFileSync(out, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const failedRows = () =>
  readFileSync(`${out}.failed.jsonl`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

it('writes a row for every sample, in their order, and counts', async () => {
  const seen: number[] = [];
  const { run, server } = await setup(good, { onProgress: ({ done }) => seen.push(done) });
  expect(await run()).toEqual({
    done: 12,
    total: 12,
    failed: 0,
    judged: 11,
    correct: 4,
    unanswered: 0,
    cut: 0,
    skipped: 0,
  });
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  expect(rows().map((row) => row.id)).toEqual(SAMPLES.map((sample) => sample.id));
  expect(rows()[1]).toEqual({
    id: 'v1_0',
    question: 'what happens in 1?',
    options: ['he sits', 'he runs', 'he waits'],
    reasoning: 'Steps about what happens in 1?\n###Answer: B',
    predicted: 1,
    answer: 1,
    correct: true,
    finish_reason: 'stop',
    model: 'm',
    frames: [0, 9],
    settings: {
      prompt: expect.stringMatching(/^[0-9a-f]{8}$/),
      temperature: 0,
      max_tokens: 1024,
      n: 2,
      max_side: null,
    },
  });
  expect(rows()[11]).toMatchObject({ answer: null, correct: null, predicted: 1 });
  expect(server.received[0]?.body.messages[0]?.content.map((part) => part.type)).toEqual([
    'image_url',
    'image_url',
    'text',
  ]);
});

it('gives the same bytes whatever the concurrency and the order of the answers', async () => {
  const rng = new Rng('delays');
  const late: Reply = async (item, response) => {
    await new Promise((resolve) => setTimeout(resolve, rng.int(20)));
    await good(item, response);
  };
  const one = await setup(good, { concurrency: 1 });
  await one.run();
  const bytes = readFileSync(out);
  rmSync(out);
  const many = await setup(late, { concurrency: 8 });
  await many.run();
  expect(readFileSync(out)).toEqual(bytes);
});

it('continues from every possible torn file to the same bytes', async () => {
  const { run, server } = await setup(good);
  await run();
  const bytes = readFileSync(out);
  const rng = new Rng('cuts');
  for (let i = 0; i < 25; i++) {
    const size = i === 0 ? 3 : i === 1 ? bytes.length - 1 : rng.int(bytes.length);
    truncateSync(out, size);
    const whole = bytes.subarray(0, size).toString().split('\n').length - 1;
    const torn = size > 0 && bytes[size - 1] !== 10;
    const notices: string[] = [];
    const before = server.received.length;
    const result = await run({ onNotice: (line) => notices.push(line) });
    expect(result.skipped).toBe(whole);
    expect(server.received.length - before).toBe(12 - whole);
    expect(notices).toEqual(
      torn
        ? [`${out}:${whole + 1}: the last line was cut off by a kill; dropped, its sample is asked again`]
        : [],
    );
    expect(readFileSync(out)).toEqual(bytes);
  }
});

describe('clips', () => {
  it('are decoded once for questions that follow each other, and shown to each', async () => {
    const samples = SAMPLES.flatMap((sample) =>
      [1, 2, 3].map((qid) => ({ ...sample, id: `${sample.video}_${qid}` })),
    );
    samples.push({ ...samples[0]!, id: 'part', start: 1, end: 2 });
    const decoded: string[] = [];
    const { run, server } = await setup(good, {
      samples,
      concurrency: 3,
      framesOf: async ({ video, start }) => {
        decoded.push(`${video} ${start ?? ''}`);
        return { ...frames, indices: Int32Array.of(0, Number(video.slice(1))) };
      },
    });
    await run();
    expect(decoded).toEqual([...SAMPLES.map(({ video }) => `${video} `), 'v0 1']);
    expect(rows().map(({ frames: shown }) => shown![1])).toEqual(
      samples.map(({ video }) => Number(video.slice(1))),
    );
    const images = server.received.map(
      ({ body }) =>
        body.messages.flatMap(({ content }) => content).filter((part) => part.type === 'image_url').length,
    );
    expect(new Set(images)).toEqual(new Set([2]));
  });
});

describe('samples that fail', () => {
  const third: Reply = (item, response) =>
    /in (3|7)\?/.test(item.prompt) ? json(response, 500, { message: 'no memory' }) : good(item, response);

  it('are listed, end the run with an error, and are retried by the next', async () => {
    const first = await setup(third);
    const error = await caught(first.run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toBe(
      `2 of 12 samples failed (v3_0, v7_0; first: HTTP 500 no memory), listed in ${out}.failed.jsonl; ` +
        'the other 10 are kept, run the same command again to retry',
    );
    expect(failedRows()).toEqual(
      ['v3_0', 'v7_0'].map((id) => ({ id, error: 'HTTP 500 no memory', attempts: 2 })),
    );
    expect(rows()).toHaveLength(10);

    const second = await setup(good);
    expect(await second.run()).toMatchObject({ done: 12, skipped: 10, failed: 0 });
    expect(second.server.received).toHaveLength(2);
    expect(rows().map((row) => row.id)).toEqual(SAMPLES.map((sample) => sample.id));
    expect(() => failedRows()).toThrow(/ENOENT/);
  });

  it('include those whose video cannot be decoded', async () => {
    const { run } = await setup(good, {
      framesOf: async (sample) => {
        if (sample.id === 'v5_0') throw new DataError('v5.mp4: no video stream');
        return frames;
      },
    });
    expect((await caught(run())).message).toMatch(
      /1 of 12 samples failed \(v5_0; first: v5.mp4: no video stream\)/,
    );
    expect(failedRows()).toEqual([{ id: 'v5_0', error: 'v5.mp4: no video stream', attempts: 0 }]);
  });

  it('name themselves when several ask about one such video at once', async () => {
    const samples = ['a', 'b', 'c'].map((id) => ({ ...SAMPLES[5]!, id }));
    const { run } = await setup(good, {
      samples,
      concurrency: 3,
      framesOf: async ({ id }) => {
        throw new DataError(`${id}: no video stream`);
      },
    });
    await caught(run());
    expect(failedRows().map(({ id, error }) => [id, error])).toEqual(
      samples.map(({ id }) => [id, `${id}: no video stream`]),
    );
  });

  it('stop the run at once when it is a program that is missing, whatever samples there are', async () => {
    const { run, server } = await setup(good, {
      framesOf: async () => {
        throw new MissingToolError('ffmpeg is not installed');
      },
    });
    const error = await caught(run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toBe('ffmpeg is not installed');
    expect(server.received).toHaveLength(0);
  });

  it('stop the run when there are too many in a row', async () => {
    const { run, server } = await setup((_, response) => json(response, 500, {}), {
      giveUpAfter: 4,
      concurrency: 1,
    });
    const error = await caught(run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/4 samples in a row failed, the last \(v3_0\) with: HTTP 500/);
    expect(server.received).toHaveLength(8);
    expect(failedRows()).toHaveLength(4);
  });
});

it('lists answers that the server did not finish, whole or streamed, and asks again', async () => {
  const ends: Record<string, string | null> = { v1: 'abort', v2: null, v3: '', v4: 'error' };
  const { run, server } = await setup((item, response) => {
    const video = `v${/in (\d+)\?/.exec(item.prompt)?.[1]}`;
    const end = video in ends ? ends[video]! : 'eos_token';
    if (video !== 'v4') return stream(response, 'He runs. ###Answer: B', end);
    const message = { content: 'internal error happened' };
    json(response, 200, { choices: [{ index: 0, message, finish_reason: end }] });
  });
  const error = await caught(run());
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toMatch(/^4 of 12 samples failed/);
  expect(rows().map((row) => row.finish_reason)).toEqual(Array(8).fill('stop'));
  const failed = failedRows().sort((a, b) => a.id.localeCompare(b.id));
  expect(failed.map(({ id, attempts }) => `${id} ${attempts}`)).toEqual([
    'v1_0 2',
    'v2_0 2',
    'v3_0 2',
    'v4_0 2',
  ]);
  expect(failed[0].error).toMatch(/finish_reason "abort"/);
  expect(failed[1].error).toMatch(/no finish_reason/);
  expect(failed[2].error).toMatch(/no finish_reason/);
  expect(failed[3].error).toMatch(/finish_reason "error".*internal error happened/);
  const before = server.received.length;
  await caught(run());
  expect(server.received.length - before).toBe(8);
});

it('reads the answer beside thinking that came apart, and keeps both', async () => {
  const { run } = await setup((_, response) => {
    const message = { reasoning_content: 'The answer is A at first sight.', content: '###Answer: B' };
    json(response, 200, { choices: [{ index: 0, message, finish_reason: 'stop' }] });
  });
  await run();
  expect(rows()[0]).toMatchObject({
    reasoning: '<think>\nThe answer is A at first sight.\n</think>\n###Answer: B',
    predicted: 1,
  });
});

it('points at rows of earlier versions that were not finished', async () => {
  await (await setup(good)).run();
  const older = rows().map((row, i) => ({
    ...row,
    finish_reason: ['eos_token', 'abort', '', 'length'][i] ?? 'stop',
  }));
  writeFileSync(out, older.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const notices: string[] = [];
  expect(await (await setup(good, { onNotice: (line) => notices.push(line) })).run()).toMatchObject({
    skipped: 12,
  });
  expect(notices).toEqual([
    `${out}: 2 of 12 answers were not finished (first: ${out}:2 with finish_reason "abort") and are kept; ` +
      'remove their lines to ask again',
  ]);
});

it('stops with one line when the server is down or refuses everything, and keeps finished rows', async () => {
  const { run, server } = await setup((item, response) =>
    item.number > 5 ? json(response, 401, { error: { message: 'bad key' } }) : good(item, response),
  );
  const refused = await caught(run({ concurrency: 1 }));
  expect(refused).toBeInstanceOf(DataError);
  expect(refused.message).toContain(`teacher at ${server.url}: HTTP 401 bad key after 1 attempt; check`);
  expect(rows()).toHaveLength(5);
  await server.close();
  const down = await caught(run());
  expect(down).toBeInstanceOf(DataError);
  expect(down.message).toContain(
    `teacher at ${server.url}: cannot be reached (ECONNREFUSED) after 2 attempts`,
  );
  expect(rows()).toHaveLength(5);
});

it('gives advice about the proxy where that is what failed', async () => {
  withoutProxies(vi.stubEnv);
  vi.stubEnv('http_proxy', 'http://127.0.0.1:9');
  const { run } = await setup(good, {}, { baseUrl: 'http://teacher.example/v1' });
  expect((await caught(run())).message).toBe(
    'teacher at http://teacher.example/v1: the proxy http://127.0.0.1:9 (http_proxy) cannot be reached (ECONNREFUSED) after 2 attempts; mend that, then run the same command again',
  );
});

it('is interrupted cleanly and continues', async () => {
  const controller = new AbortController();
  const { run } = await setup((item, response) => {
    if (item.number <= 4) return good(item, response);
    if (item.number === 6) controller.abort();
    if (item.number > 12) return good(item, response);
  });
  const error = await caught(run({ signal: controller.signal, concurrency: 2 }));
  expect(error).toBeInstanceOf(Interrupted);
  expect(error.message).toBe(
    `stopped after 4 of 12 samples, all kept in ${out}; run the same command again to continue`,
  );
  expect(rows()).toHaveLength(4);
  const again = await setup(good);
  expect(await again.run()).toMatchObject({ done: 12, skipped: 4 });
});

it('stops between two images of a clip, and leaves nothing', async () => {
  const controller = new AbortController();
  const { run, server } = await setup(good);
  const data = new Uint8Array(50 * 36);
  const encoded = vi.spyOn(data, 'subarray').mockImplementation((...range) => {
    controller.abort();
    return new Uint8Array(data.buffer).subarray(...range);
  });
  const long = async () => ({ ...frames, data, n: 50 });
  const error = await caught(run({ signal: controller.signal, concurrency: 2, framesOf: long }));
  expect(error).toBeInstanceOf(Interrupted);
  // Two clips were under way.
  expect(encoded.mock.calls.length).toBeLessThanOrEqual(2);
  expect(server.received).toHaveLength(0);
  expect(readdirSync(folder)).toEqual(['reasoning.jsonl']);
  expect(readFileSync(out, 'utf8')).toBe('');
});

it('says once that clips have fewer frames than are asked for', async () => {
  const notices: string[] = [];
  const { run } = await setup(good, { frameCount: 100, onNotice: (line) => notices.push(line) });
  await run();
  expect(notices).toEqual([
    'v0_0: --frames 100 is more than the 2 of its clip, which are all shown; further such clips are not named',
  ]);
});

describe('a file that is not this run', () => {
  it.each([
    [
      'model',
      {},
      { model: 'other' },
      /:1: made with model "m", this run has "other" \(--model\); name another output file/,
    ],
    ['temperature', {}, { temperature: 1 }, /:1: made with temperature 0, this run has 1 \(--temperature\);/],
    ['max_tokens', {}, { maxTokens: 9 }, /:1: made with max_tokens 1024, this run has 9 \(--max-tokens\);/],
    ['frames', { frameCount: 8 }, {}, /:1: made with n 2, this run has 8 \(--frames\);/],
    ['size of images', { maxSide: 16 }, {}, /:1: made with max_side none, this run has 16 \(--max-side\);/],
    [
      'prompt',
      { writing: 'brief' as const },
      {},
      /:1: made with prompt the paper's, this run has ours of a brief caption \(--prompt or --write\);/,
    ],
    [
      'question',
      { samples: SAMPLES.map((sample) => ({ ...sample, question: `${sample.question}!` })) },
      {},
      /:1: sample "v0_0" has another question/,
    ],
    [
      'answer',
      { samples: SAMPLES.map((sample) => ({ ...sample, answer: 2 })) },
      {},
      /:1: sample "v0_0" has another question, options or answer now/,
    ],
  ])('is refused for its %s, untouched', async (_, change, teacher, message) => {
    await (await setup(good)).run();
    const bytes = readFileSync(out);
    const error = await caught((await setup(good, change, teacher)).run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(readFileSync(out)).toEqual(bytes);
  });

  it.each([
    ['video,question\n1,why', /:1: not JSON/],
    ['my only notes', /:1: not a line of generated reasoning/],
    ['{"id": "v0_0"}\n', /:1: not a line of generated reasoning/],
    ['[1]\n', /:1: expected a JSON object, found a list/],
    [Buffer.from([0x7b, 0xff, 0x0a]), /:1: not UTF-8/],
  ])('%j is refused, untouched', async (content, message) => {
    writeFileSync(out, content);
    const error = await caught((await setup(good)).run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(readFileSync(out)).toEqual(Buffer.from(content));
  });
});

it('continues a file that says nothing about the size of images', async () => {
  await (await setup(good)).run();
  const older = rows().map(({ settings: { max_side: _, ...settings }, ...row }) => ({ ...row, settings }));
  writeFileSync(out, older.map((row) => `${JSON.stringify(row)}\n`).join(''));
  expect(await (await setup(good)).run()).toMatchObject({ skipped: 12, done: 12 });
});

it('refuses an output that is no file before reading it, since a device has no end', async () => {
  const error = await caught((await setup(good, { out: '/dev/zero' })).run());
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toBe(
    '/dev/zero: not a file; expected one to write and continue, name another output file',
  );
});

it('adds new samples to a file and keeps rows of others', async () => {
  const first = await setup(good, { samples: SAMPLES.slice(6) });
  await first.run();
  const second = await setup(good, { samples: SAMPLES.slice(0, 8) });
  expect(await second.run()).toMatchObject({ skipped: 2, done: 8 });
  const ids = rows().map((row) => row.id);
  expect(ids.slice(0, 8)).toEqual(SAMPLES.slice(0, 8).map((sample) => sample.id));
  expect(new Set(ids).size).toBe(12);
});

it('never holds the key', async () => {
  process.env.OPENAI_API_KEY = 'sk-not-for-files-1';
  try {
    const { run, server } = await setup((item, response) =>
      item.number === 1
        ? json(response, 400, { message: 'key sk-not-for-files-1 is odd' })
        : good(item, response),
    );
    await caught(run());
    expect(server.received[0]?.headers.authorization).toBe('Bearer sk-not-for-files-1');
    const written = readFileSync(out, 'utf8') + readFileSync(`${out}.failed.jsonl`, 'utf8');
    expect(written).toContain('(key) is odd');
    expect(written).not.toContain('sk-not');
  } finally {
    delete process.env.OPENAI_API_KEY;
  }
});

describe('captions', () => {
  const caption: Reply = (_, response) => stream(response, 'A man sits. Option B is not asked for.');

  it('are asked for without the question, and judge nothing', async () => {
    const { run, server } = await setup(caption, { writing: 'brief' });
    expect(await run()).toMatchObject({ done: 12, judged: 0, correct: 0, unanswered: 0 });
    for (const { prompt } of server.received) {
      expect(prompt).toContain('one short sentence');
      expect(prompt).not.toContain('what happens');
    }
    expect(rows().every(({ predicted, correct }) => predicted === null && correct === null)).toBe(true);
    const { samples } = await joinReasoning(SAMPLES, out);
    expect(samples[0]).toMatchObject({ reasoning: 'A man sits. Option B is not asked for.' });
    expect(samples[0]).not.toHaveProperty('reasoningCorrect');
  });

  it('of one kind are not continued with another', async () => {
    const { run } = await setup(caption, { writing: 'brief' });
    await run();
    expect(await caught(run({ writing: 'detailed' }))).toBeInstanceOf(DataError);
    expect(await run()).toMatchObject({ skipped: 12 });
  });
});

describe('caps', () => {
  const counted: Reply = (item, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    event(response, { choices: [{ delta: { content: 'It is B.' }, finish_reason: 'stop' }] });
    event(response, { choices: [], usage: { prompt_tokens: 90, completion_tokens: 10 } });
    response.end(item.number > 0 ? 'data: [DONE]\n\n' : '');
  };

  it('on requests stop a run cleanly, and the same call goes on', async () => {
    const { run, server } = await setup(good, { caps: { requests: 5 } });
    const error = await caught(run());
    expect(error).toBeInstanceOf(Interrupted);
    expect(error.message).toBe(
      `--max-requests 5 was reached: stopped after 5 of 12 samples, all kept in ${out}; run the same command again to continue`,
    );
    expect([server.received.length, rows().length]).toEqual([5, 5]);
    await caught(run());
    expect(await run()).toMatchObject({ done: 12, skipped: 10 });
    expect(server.received).toHaveLength(12);
  });

  it('count further attempts, and lose no sample to them', async () => {
    const { run, server } = await setup(
      (item, response) => (item.number % 2 ? json(response, 500, {}) : good(item, response)),
      { caps: { requests: 6 } },
      { backoff: { retries: 9, baseMs: 1, maxMs: 1 } },
    );
    for (let i = 0; i < 10 && (await caught(run())) instanceof Interrupted; i++)
      expect(server.received.length).toBeLessThanOrEqual(6 * (i + 1));
    expect(
      rows()
        .map(({ id }) => id)
        .sort(),
    ).toEqual(SAMPLES.map(({ id }) => id).sort());
  });

  it('on tokens count what the rows of earlier runs took', async () => {
    const { run } = await setup(counted, { caps: { tokens: 500 } });
    const spent = await caught(run());
    expect(spent).toBeInstanceOf(UsageError);
    expect(spent.message).toMatch(
      /^--max-total-tokens 500 .*stopped after 5 of 12 samples, all kept in .*; raise it to go on$/,
    );
    expect(rows()[0]?.usage).toEqual({ prompt_tokens: 90, completion_tokens: 10 });
    expect((await caught(run({ caps: { tokens: 799 } }))).message).toMatch(/stopped after 7 of 12/);
    expect(await run({ caps: { tokens: 1200 } })).toMatchObject({ done: 12, tokens: 1200 });
  });

  it('on tokens cannot be kept where the server does not count them', async () => {
    const { run } = await setup(good, { caps: { tokens: 500 } });
    const error = await caught(run());
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/tells no token counts/);
    expect(rows().length).toBeGreaterThan(0);
  });

  it('on cost refuse a model without a price before anything is asked', async () => {
    writeFileSync(join(folder, 'p.json'), '{"m": {"prompt": 1, "completion": 1}}');
    const prices = await PriceTable.read(join(folder, 'p.json'));
    const known = await setup(counted, { prices, caps: { cost: 0.0003 } });
    expect((await caught(known.run())).message).toMatch(/^--max-cost 0.0003 .*stopped after 3 of 12/);
    const unknown = await setup(counted, { prices, caps: { cost: 1 } }, { model: 'other' });
    expect(await caught(unknown.run())).toBeInstanceOf(UsageError);
    expect(unknown.server.received).toHaveLength(0);
  });

  it('that are reached already stop before a clip is decoded, and one of 0 spares free models', async () => {
    writeFileSync(join(folder, 'p.json'), '{"m": {"prompt": 1, "completion": 1}}');
    const framesOf = vi.fn(async () => frames);
    const paid = await setup(counted, {
      ...{ prices: await PriceTable.read(join(folder, 'p.json')), caps: { cost: 0 }, framesOf },
    });
    const error = await caught(paid.run());
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toMatch(
      /^--max-cost 0 allows no request to a model with a price: stopped after 0 of 12/,
    );
    expect(framesOf).not.toHaveBeenCalled();
    writeFileSync(join(folder, 'p.json'), '{"m": {"prompt": 0, "completion": 0}}');
    const prices = await PriceTable.read(join(folder, 'p.json'));
    // This server tells no tokens, which nobody has to count here.
    const free = await setup(good, { prices, caps: { cost: 0 } });
    expect(await free.run()).toMatchObject({ done: 12, failed: 0 });
  });

  it('on time give up what is under way', async () => {
    const { run } = await setup((item, response) => (item.number <= 3 ? good(item, response) : undefined), {
      deadlineMs: 400,
      concurrency: 2,
    });
    const error = await caught(run());
    expect(error).toBeInstanceOf(Interrupted);
    expect(error.message).toMatch(/^the deadline has passed: stopped after 3 of 12 samples/);
  });
});

it.runIf(process.platform === 'linux')(
  'is refused a file that another run writes, which goes on',
  async () => {
    let start = () => {};
    let go = () => {};
    const started = new Promise<void>((resolve) => {
      start = resolve;
    });
    const gone = new Promise<void>((resolve) => {
      go = resolve;
    });
    const { run } = await setup(async (item, response) => {
      start();
      await gone;
      await good(item, response);
    });
    const running = run();
    await started;
    const second = await caught(run());
    go();
    expect(second).toBeInstanceOf(HeldError);
    expect(second.message).toBe(
      `${out}: process ${process.pid} is writing it; wait for that one to end or name another output file`,
    );
    expect(await running).toMatchObject({ done: 12 });
    expect(await run()).toMatchObject({ skipped: 12 });
  },
);

describe('what the teacher sees', () => {
  it('can be worded and seeded, is recorded, and is not continued otherwise', async () => {
    const template = 'Look. {question} Choose from {options}!';
    const asked = { template, imageQuality: 60 };
    const { run, server } = await setup(good, asked, { system: 'Be brief.', seed: 3, imageDetail: 'low' });
    await run();
    const { body, prompt } = server.received.find((item) => /in 0\?/.test(item.prompt))!;
    expect(prompt).toBe('Look. what happens in 0? Choose from A: he sits, B: he runs, C: he waits!');
    expect(body).toMatchObject({
      seed: 3,
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user' }],
    });
    const [image] = body.messages[1]!.content as unknown as { image_url: { url: string; detail: string } }[];
    expect(image).toMatchObject({
      image_url: { url: expect.stringMatching(/^data:image\/jpeg;base64,\/9j\//), detail: 'low' },
    });
    expect(rows()[0]?.settings).toMatchObject({ image_quality: 60, image_detail: 'low', seed: 3 });
    expect(await run()).toMatchObject({ skipped: 12 });
    for (const [name, change, teacher] of [
      ['prompt', { template: `${template} Now.` }, {}],
      ['image_quality', { imageQuality: 61 }, {}],
      ['seed', {}, { seed: 4 }],
      ['system', {}, { system: 'Be long.' }],
    ] as const) {
      const other = await setup(
        good,
        { ...asked, ...change },
        { system: 'Be brief.', seed: 3, imageDetail: 'low', ...teacher },
      );
      expect((await caught(other.run())).message).toMatch(new RegExp(`made with ${name} .*, this run has`));
    }
    const none = await setup(good, asked, { system: 'Be brief.', imageDetail: 'low' });
    expect((await caught(none.run())).message).toMatch(/made with seed 3, this run has none/);
  });
});
