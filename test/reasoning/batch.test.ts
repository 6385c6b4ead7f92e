/** Batch files: requests out, results in. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError, Interrupted, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { writeBatch } from '../../src/reasoning/batchRequests.js';
import { readBatch } from '../../src/reasoning/batchResults.js';
import { openTeacher } from '../../src/reasoning/client.js';
import { generateReasoning } from '../../src/reasoning/generate.js';
import { withoutProxies } from '../support/proxy.js';
import { madeSamples } from './madeSamples.js';
import { json, teacherServer } from './teacherServer.js';

let folder: string;
let run: Parameters<typeof writeBatch>[0];
beforeEach(() => {
  withoutProxies(vi.stubEnv);
  folder = mkdtempSync(join(tmpdir(), 'batch-'));
  run = {
    samples: madeSamples(10),
    teacher: { model: 'm', temperature: 0.5, maxTokens: 64, system: 'Be brief.', seed: 7 },
    frameCount: 2,
    framesOf: async () => ({ data: new Uint8Array(24), n: 2, height: 2, width: 2, indices: [0, 9] }),
    out: join(folder, 'out.jsonl'),
    requests: join(folder, 'requests.jsonl'),
  };
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

type Line = { custom_id: string; method: string; url: string; body: Record<string, unknown> };
const read = (path: string): Line[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const answer = (content: string) => ({
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 50, completion_tokens: content.length },
});
const result = (id: string, body: unknown = answer(`About ${id}. ###Answer: A`), status_code = 200) => ({
  id: `batch-${id}`,
  custom_id: id,
  response: { status_code, request_id: 'r', body },
  error: null,
});
const results = (lines: unknown[], name = 'results.jsonl') => {
  const path = join(folder, name);
  writeFileSync(
    path,
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );
  return path;
};
const caught = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

it('writes one request a sample, and reads results in any order into the rows that live answers give', async () => {
  expect(await writeBatch(run)).toEqual({ files: [run.requests], requests: 10 });
  const lines = read(run.requests);
  expect(lines.map((line) => line.custom_id)).toEqual(run.samples.map(({ id }) => id));
  expect(lines[0]).toMatchObject({ method: 'POST', url: '/v1/chat/completions' });
  expect(lines[0]!.body).toMatchObject({
    model: 'm',
    temperature: 0.5,
    max_tokens: 64,
    seed: 7,
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user' }],
  });

  const order = new Rng('order').shuffle(lines.map((line) => result(line.custom_id)));
  const counts = await readBatch({ ...run, results: [results(order)] });
  expect(counts).toMatchObject({ done: 10, failed: 0, skipped: 0 });

  const byPrompt = new Map(lines.map(({ custom_id, body }) => [JSON.stringify(body.messages), custom_id]));
  const server = await teacherServer(({ body }, response) =>
    json(response, 200, result(byPrompt.get(JSON.stringify(body.messages))!).response.body),
  );
  const client = await openTeacher({ ...(run.teacher as { model: string }), baseUrl: server.url });
  const { onProgress: _, ...common } = run;
  await generateReasoning({ ...common, client, out: join(folder, 'live.jsonl') });
  await server.close();
  expect(readFileSync(run.out, 'utf8')).toBe(readFileSync(join(folder, 'live.jsonl'), 'utf8'));
});

it('lists what has no answer, passes over what is no result, and takes the rest from later files', async () => {
  await writeBatch(run);
  const ids = run.samples.map(({ id }) => id);
  const notices: string[] = [];
  const first = results([
    result(ids[0]!),
    result(ids[1]!, { error: { message: 'no memory' } }, 500),
    { custom_id: ids[2], response: null, error: { code: 'batch_expired', message: 'too late' } },
    result(ids[3]!, answer('')),
    result(ids[4]!, { choices: [{ message: { content: 'cut' }, finish_reason: null }] }),
    result('stranger\u001b[2J'),
    '{"custom_id": oops',
    { text: 'of another kind' },
    result(ids[0]!, answer('A second answer. ###Answer: B')),
  ]);
  appendFileSync(first, '{"custom_id": "v1');
  const error = await caught(readBatch({ ...run, results: [first], onNotice: (line) => notices.push(line) }));
  expect(error).toBeInstanceOf(DataError);
  expect(error.message).toMatch(/^9 of 10 samples have no answer \(first: v0_1: .*:2: HTTP 500 no memory\)/);
  const failed = read(`${run.out}.failed.jsonl`) as unknown as { id: string; error: string }[];
  expect(failed.map(({ error }) => error.replace(/^.*:(\d+): /, '$1 '))).toEqual([
    '2 HTTP 500 no memory',
    '3 too late',
    '4 the answer was empty',
    expect.stringMatching(/^5 the answer broke off/),
    ...Array(5).fill('no result'),
  ]);
  expect(notices.map((line) => line.replace(/^.*jsonl:/, ''))).toEqual([
    '6: no sample has the id "stranger\\u001b[2J"',
    expect.stringMatching(/^7: not JSON/),
    '8: no result of a batch (custom_id, response)',
    '10: the last line is cut off',
  ]);
  expect((read(run.out)[0] as unknown as { reasoning: string }).reasoning).toMatch(/^About v0_0/);

  await writeBatch({ ...run, requests: join(folder, 'more.jsonl') });
  expect(read(join(folder, 'more.jsonl'))).toHaveLength(9);
  const second = results(
    ids.map((id) => result(id)),
    'second.jsonl',
  );
  expect(await readBatch({ ...run, results: [first, second] })).toMatchObject({ done: 10, skipped: 1 });
  expect(existsSync(`${run.out}.failed.jsonl`)).toBe(false);
});

describe('writing', () => {
  it('splits files that grow too long', async () => {
    const files = ['', '.2', '.3'].map((part) => join(folder, `requests${part}.jsonl`));
    expect(await writeBatch(run, { requests: 4, bytes: 1e9 })).toEqual({ files, requests: 10 });
    expect(files.map((file) => read(file).length)).toEqual([4, 4, 2]);
    const small = { ...run, requests: join(folder, 'small.jsonl') };
    const bytes = readFileSync(files[2]!).length;
    expect((await writeBatch(small, { requests: 99, bytes })).files).toHaveLength(5);
  });

  it('counts up to its last request', async () => {
    const counts: number[][] = [];
    await writeBatch({ ...run, onProgress: (done, total) => counts.push([done, total]) });
    expect(counts.at(-1)).toEqual([10, 10]);
  });

  it('never replaces a file', async () => {
    writeFileSync(run.requests, 'mine');
    expect(await caught(writeBatch(run))).toMatchObject({ message: expect.stringMatching(/exists already/) });
    expect(readFileSync(run.requests, 'utf8')).toBe('mine');
  });

  it('lists samples that cannot be decoded, and leaves nothing when stopped', async () => {
    const broken = async ({ id }: { id: string }) => {
      if (id < 'v1') throw new Error('no such video');
      return { data: new Uint8Array(12), n: 1, height: 2, width: 2 };
    };
    const error = await caught(writeBatch({ ...run, framesOf: broken }));
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/^4 of 10 samples have no request \(first: v0_0: no such video\)/);
    expect(read(run.requests)).toHaveLength(6);

    const stopped = { ...run, requests: join(folder, 'stopped.jsonl'), signal: AbortSignal.abort() };
    expect(await caught(writeBatch(stopped))).toBeInstanceOf(Interrupted);
    expect(existsSync(stopped.requests)).toBe(false);
  });

  it('stops between two images of a clip', async () => {
    const controller = new AbortController();
    const data = new Uint8Array(50 * 12);
    const encoded = vi.spyOn(data, 'subarray').mockImplementation((...range) => {
      controller.abort();
      return new Uint8Array(data.buffer).subarray(...range);
    });
    const long = async () => ({ data, n: 50, height: 2, width: 2 });
    const error = await caught(writeBatch({ ...run, framesOf: long, signal: controller.signal }));
    expect(error).toBeInstanceOf(Interrupted);
    expect(encoded.mock.calls.length).toBeLessThanOrEqual(availableParallelism());
    expect(existsSync(run.requests)).toBe(false);
  });

  it('checks the settings first', async () => {
    const teacher = { ...run.teacher, temperature: 3 };
    await expect(writeBatch({ ...run, teacher })).rejects.toThrow(UsageError);
    expect(existsSync(run.out)).toBe(false);
  });
});

describe('results', () => {
  it.each([
    ['seed', { seed: 8 }],
    ['system', { system: 'Be long.' }],
    ['max_tokens', { maxTokens: 65 }],
  ])('asked with another %s are not taken', async (name, change) => {
    await writeBatch(run);
    const file = results(run.samples.map(({ id }) => result(id)));
    const error = await caught(
      readBatch({ ...run, teacher: { ...run.teacher, ...change }, results: [file] }),
    );
    expect(error.message).toMatch(new RegExp(`^10 of 10 .*:1: asked with ${name} .*, this run has`));
  });

  it('need the list of what was asked', async () => {
    const file = results(run.samples.map(({ id }) => result(id)));
    expect((await caught(readBatch({ ...run, results: [file] }))).message).toMatch(/batch\.jsonl: missing/);
  });
});
