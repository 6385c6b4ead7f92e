/** Downloads: resumed, through proxies, refused. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError, Interrupted, UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { parseBlip2Config } from '../../src/weights/config.js';
import { fetchFile, hubUrl } from '../../src/weights/fetch.js';
import { checkConfig, fetchManifest, listManifests, loadManifest } from '../../src/weights/manifest.js';
import { webProxy, withoutProxies } from '../support/proxy.js';

const rng = new Rng('fetch');
const body = Buffer.from(Uint8Array.from({ length: 300_000 }, () => rng.int(256)));
const sha256 = createHash('sha256').update(body).digest('hex');

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void;

let folder: string;
let server: Server;
let base: string;
let requests: IncomingMessage[];
let handler: Handler;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-fetch-'));
  withoutProxies(vi.stubEnv);
  requests = [];
  handler = serve(body);
  server = createServer((request, response) => {
    requests.push(request);
    handler(request, response, requests.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

interface ServeOptions {
  etag?: string;
  /** Cut the connection after at most this many bytes of the body. */
  cutAfter?: number | undefined;
  ranges?: boolean;
}

/** A file server with range requests, as the hub's. */
function serve(content: Buffer, { etag = '"v1"', cutAfter, ranges = true }: ServeOptions = {}): Handler {
  return (request, response) => {
    let start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const condition = request.headers['if-range'];
    if (!ranges || (condition !== undefined && condition !== etag)) start = 0;
    const isPartial = start > 0;
    if (isPartial && start >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const part = content.subarray(start);
    response.writeHead(isPartial ? 206 : 200, {
      'content-length': part.length,
      etag,
      ...(isPartial ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}),
    });
    if (cutAfter === undefined) response.end(part);
    else response.write(part.subarray(0, cutAfter), () => cutOnceSaved(response, start));
  };
}

/** Cuts a connection as soon as the client has saved something past `start`: what is in flight would be lost. */
function cutOnceSaved(response: ServerResponse, start: number): void {
  const size = statSync(`${target()}.part`, { throwIfNoEntry: false })?.size ?? 0;
  if (size > start) response.destroy();
  else setTimeout(cutOnceSaved, 1, response, start);
}

const quick = { backoffMs: 1 };
const target = () => join(folder, 'deep', 'model.bin');
const fetchTo = (options = {}) => fetchFile(`${base}/model.bin`, target(), { ...quick, ...options });

async function expectComplete(): Promise<void> {
  expect((await readFile(target())).equals(body)).toBe(true);
  expect(await readdir(join(folder, 'deep'))).toEqual(['model.bin']);
}

describe('fetchFile', () => {
  it('downloads, verifies, reports progress and makes folders', async () => {
    const progress: [number, number | undefined][] = [];
    const done = await fetchTo({
      sha256,
      expectedSize: body.length,
      onProgress: (bytes: number, total: number | undefined) => progress.push([bytes, total]),
    });
    expect(done).toBe(true);
    await expectComplete();
    expect(progress.at(-1)).toEqual([body.length, body.length]);
    expect(progress.map(([bytes]) => bytes)).toEqual(
      [...progress.map(([bytes]) => bytes)].sort((a, b) => a - b),
    );
  });

  it('does not fetch a complete file again, but replaces one that disagrees', async () => {
    await fetchTo({ sha256 });
    expect(await fetchTo({ sha256, expectedSize: body.length })).toBe(false);
    expect(requests).toHaveLength(1);
    await writeFile(target(), 'damaged');
    expect(await fetchTo({ sha256 })).toBe(true);
    await expectComplete();
  });

  it('survives connections cut at random places, resuming each time', async () => {
    for (let round = 0; round < 5; round++) {
      requests = [];
      handler = (request, response, count) => {
        serve(body, { cutAfter: count < 9 ? 1 + rng.int(60_000) : undefined })(request, response, count);
      };
      await rm(target(), { force: true });
      await fetchTo({ sha256, attempts: 3 });
      await expectComplete();
      const starts = requests.map((request) => Number(/\d+/.exec(request.headers.range ?? '0')![0]));
      expect(starts).toEqual([...starts].sort((a, b) => a - b));
      expect(starts.at(-1)).toBeGreaterThan(0);
    }
  });

  it('continues a part left by an earlier run', async () => {
    handler = serve(body, { cutAfter: 100_000 });
    await expect(fetchTo({ attempts: 1 })).rejects.toThrow(DataError);
    const left = (await stat(`${target()}.part`)).size;
    expect(left).toBeGreaterThan(0);
    handler = serve(body);
    await fetchTo();
    expect(requests.at(-1)!.headers.range).toBe(`bytes=${left}-`);
    await expectComplete();
  });

  it('starts over when told to, when the file changed, and when nothing identifies it', async () => {
    const cut = async (etag: string) => {
      handler = serve(Buffer.alloc(body.length), { cutAfter: 100_000, etag });
      await expect(fetchTo({ attempts: 1 })).rejects.toThrow(DataError);
      handler = serve(body, { etag: '"new"' });
    };
    await cut('"new"');
    await fetchTo({ resume: false });
    expect(requests.at(-1)!.headers.range).toBeUndefined();
    await expectComplete();
    await rm(target());
    await cut('"old"');
    await fetchTo();
    expect(requests.at(-1)!.headers['if-range']).toBe('"old"');
    await expectComplete();
    await rm(target());
    await cut('W/"weak"');
    await fetchTo();
    expect(requests.at(-1)!.headers.range).toBeUndefined();
    await expectComplete();
  });

  it('starts over on a server without ranges', async () => {
    handler = (request, response, count) =>
      serve(body, { ranges: false, cutAfter: count === 1 ? 50_000 : undefined })(request, response, count);
    await fetchTo({ sha256 });
    await expectComplete();
  });

  it('takes a complete part as it is (416), and drops one that is too long', async () => {
    await mkdir(join(folder, 'deep'));
    for (const part of [body, Buffer.concat([body, Buffer.alloc(10)])]) {
      await rm(target(), { force: true });
      await writeFile(`${target()}.part`, part);
      await fetchTo({ sha256 });
      await expectComplete();
    }
  });

  it('drops a part when the server answers with another range', async () => {
    handler = (request, response, count) => {
      if (count === 1) serve(body, { cutAfter: 40_000 })(request, response, count);
      else if (count === 2)
        response.writeHead(206, { 'content-range': 'bytes 5-9/300000', etag: '"v1"' }).end('wrong');
      else serve(body)(request, response, count);
    };
    await fetchTo();
    await expectComplete();
  });

  it('refuses a wrong size or hash, and leaves neither file', async () => {
    await expect(fetchTo({ expectedSize: 7 })).rejects.toThrow(/got 300000 bytes, expected 7/);
    await expect(fetchTo({ sha256: '0'.repeat(64) })).rejects.toThrow(
      /SHA-256 is [0-9a-f]{64}, expected 0{64}/,
    );
    expect(await readdir(join(folder, 'deep'))).toEqual([]);
  });

  it.each([
    ['a web page', '<!DOCTYPE html>\n<title>Log in</title>'],
    ['one behind a byte order mark', '\ufeff\n<html lang="en"><body>Log in'],
  ])('refuses %s in place of a file, and fetches the file next time', async (_, page) => {
    handler = serve(Buffer.from(page));
    await expect(fetchTo()).rejects.toThrow(/model\.bin: a web page came instead of the file; open/);
    expect(await readdir(join(folder, 'deep'))).toEqual([]);
    handler = serve(body);
    await fetchTo();
    await expectComplete();
  });

  it('keeps the old file until the new one is verified', async () => {
    await mkdir(join(folder, 'deep'));
    await writeFile(target(), 'old');
    await expect(fetchTo({ sha256: '0'.repeat(64) })).rejects.toThrow(/SHA-256/);
    expect(await readFile(target(), 'utf8')).toBe('old');
  });

  it.each([
    [404, /not found \(404\); check the repository, revision and file name/],
    [401, /access denied \(401\); accept the licence .* HF_TOKEN/],
    [403, /access denied \(403\)/],
    [410, /the server answered 410/],
  ])('says what to do about %i, without trying again', async (status, message) => {
    handler = (_, response) => response.writeHead(status).end();
    await expect(fetchTo()).rejects.toThrow(message);
    expect(requests).toHaveLength(1);
  });

  it('tries again after 500, 429 and 503 with Retry-After', async () => {
    handler = (request, response, count) => {
      if (count === 4) serve(body)(request, response, count);
      else response.writeHead([500, 429, 503][count - 1]!, { 'retry-after': '0' }).end();
    };
    await fetchTo({ sha256 });
    expect(requests).toHaveLength(4);
    await expectComplete();
  });

  it('gives up after the attempts, with the cause in one line', async () => {
    handler = (_, response) => response.writeHead(502).end();
    const error = await fetchTo({ attempts: 3 }).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(/the server answered 502, 3 times; check the connection/);
    expect(error.message).not.toContain('\n');
    expect(requests).toHaveLength(3);
  });

  it('names a host that does not answer', async () => {
    await expect(fetchFile('http://127.0.0.1:9/x', target(), { ...quick, attempts: 2 })).rejects.toThrow(
      /127\.0\.0\.1:9\/x: no connection \(.+\), 2 times/,
    );
  });

  it('cuts a connection that brings nothing, and resumes', async () => {
    handler = (request, response, count) => {
      if (count > 1) serve(body)(request, response, count);
      else {
        response.writeHead(200, { 'content-length': body.length, etag: '"v1"' });
        response.write(body.subarray(0, 1000));
      }
    };
    await fetchTo({ sha256, stallMs: 200 });
    expect(requests.length).toBeGreaterThan(1);
    await expectComplete();
  });

  it('stops at a signal and keeps the part', async () => {
    const controller = new AbortController();
    handler = (_, response) => {
      response.writeHead(200, { 'content-length': body.length, etag: '"v1"' });
      response.write(body.subarray(0, 1000));
    };
    const stopped = fetchTo({ signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toThrow(Interrupted);
    expect((await stat(`${target()}.part`)).size).toBe(1000);
  });

  it('names the part when it cannot be written', async () => {
    await mkdir(`${target()}.part`, { recursive: true });
    await expect(fetchTo()).rejects.toThrow(/model\.bin\.part: could not be written/);
  });

  it('sends HF_TOKEN to the hub only', async () => {
    vi.stubEnv('HF_TOKEN', 'secret');
    vi.stubEnv('HF_ENDPOINT', `${base}/hub/`);
    await fetchFile(`${base}/hub/x`, join(folder, 'x'), quick);
    await fetchFile(`${base}/hubris/y`, join(folder, 'y'), quick);
    expect(requests.map((request) => request.headers.authorization)).toEqual(['Bearer secret', undefined]);
  });
});

describe('fetchFile through a proxy', () => {
  const hub = 'http://hub.invalid/model.bin';
  const fetchThrough = async (answers: { status?: number; drops?: boolean } = {}) => {
    const proxy = await webProxy({ port: Number(new URL(base).port), ...answers });
    vi.stubEnv('http_proxy', `http://me:secret@${proxy.host}`);
    const error = await fetchFile(hub, target(), { sha256, attempts: 3, ...quick }).then(
      () => undefined,
      (caught) => caught,
    );
    await proxy.close();
    return { error, ...proxy };
  };

  it('downloads and resumes', async () => {
    handler = (request, response, count) =>
      serve(body, { cutAfter: count === 1 ? 50_000 : undefined })(request, response, count);
    const { error, asked } = await fetchThrough();
    expect(error).toBeUndefined();
    await expectComplete();
    expect(asked).toEqual([`GET ${hub}`, `GET ${hub}`]);
  });

  it.each([
    [{ status: 407 }, 1, /does not accept the user and password in http_proxy \(407\)$/],
    [{ status: 404 }, 1, /not found \(404\), through the proxy http:\S+ \(http_proxy\);/],
    [{ status: 403 }, 1, /access denied \(403\), through the proxy http:\S+ \(http_proxy\);/],
    [{ status: 503 }, 3, /the server answered 503, through the proxy http:\S+ \(http_proxy\), 3 times/],
    [{ drops: true }, 3, /, through the proxy http:\S+ \(http_proxy\), 3 times/],
  ])('names a proxy that answers %j', async (answers, times, message) => {
    const { error, asked } = await fetchThrough(answers);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('secret');
    expect(asked).toHaveLength(times);
  });

  it('names one that is not there', async () => {
    vi.stubEnv('ALL_PROXY', 'http://127.0.0.1:9');
    await expect(fetchFile(hub, target(), { ...quick, attempts: 2 })).rejects.toThrow(
      `${hub}: the proxy http://127.0.0.1:9 (ALL_PROXY) cannot be reached (ECONNREFUSED), 2 times`,
    );
  });

  it('refuses one of another kind at once', async () => {
    vi.stubEnv('http_proxy', 'socks5://127.0.0.1:9');
    await expect(fetchFile(hub, target(), quick)).rejects.toThrow(UsageError);
    await expect(fetchFile(hub, target(), quick)).rejects.toThrow(/http_proxy names a socks5 proxy/);
  });

  it('says why a host that nobody knows was asked without it', async () => {
    vi.stubEnv('https_proxy', 'http://127.0.0.1:9');
    await expect(fetchFile(hub, target(), { ...quick, attempts: 1 })).rejects.toThrow(
      /no connection \(.+\), without a proxy \(http_proxy is not set\), 1 times/,
    );
  });
});

it.each(['hub.example/x', 'ftp://hub.example/x', '/x'])('refuses the address %s', async (address) => {
  await expect(fetchFile(address, target(), quick)).rejects.toThrow(
    /not an http\(s\) URL; check HF_ENDPOINT/,
  );
});

describe('hubUrl', () => {
  it('follows HF_ENDPOINT', () => {
    vi.stubEnv('HF_ENDPOINT', '');
    expect(hubUrl('a/b', 'main', 'c.json')).toBe('https://huggingface.co/a/b/resolve/main/c.json');
    vi.stubEnv('HF_ENDPOINT', 'http://mirror/');
    expect(hubUrl('a/b', 'refs/pr/1', 'c.json')).toBe('http://mirror/a/b/resolve/refs%2Fpr%2F1/c.json');
  });
});

describe('manifests', () => {
  it('ship with the project and are valid', async () => {
    const names = (await listManifests()).map(({ name }) => name);
    expect(names.sort()).toEqual([
      'blip2-flan-t5-xl',
      'flan-t5-xl-tokenizer',
      'llava-onevision-0.5b',
      'llava-onevision-7b',
    ]);
    await expect(loadManifest('blip3')).rejects.toThrow(
      /unknown checkpoint "blip3"; known are blip2-flan-t5-xl,/,
    );
  });

  it('download their files, and the shards of their index', async () => {
    vi.stubEnv('HF_ENDPOINT', base);
    const index = {
      weight_map: { a: 'model-2.safetensors', b: 'model-1.safetensors', c: 'model-2.safetensors' },
    };
    handler = (request, response, count) => {
      const content = request.url!.endsWith('index.json')
        ? Buffer.from(JSON.stringify(index))
        : Buffer.from(request.url!);
      serve(content)(request, response, count);
    };
    const manifest = await loadManifest('blip2-flan-t5-xl');
    const files: string[] = [];
    const paths = await fetchManifest(manifest, join(folder, 'm'), {
      ...quick,
      onProgress: (file) => files.push(file),
    });
    const expected = [
      'config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'model.safetensors.index.json',
      'model-1.safetensors',
      'model-2.safetensors',
    ];
    expect(paths).toEqual(expected.map((name) => join(folder, 'm', name)));
    expect([...new Set(files)]).toEqual(expected);
    expect(await readFile(paths[5]!, 'utf8')).toBe(
      '/Salesforce/blip2-flan-t5-xl/resolve/main/model-2.safetensors',
    );
  });

  it('refuse shards outside the folder', async () => {
    vi.stubEnv('HF_ENDPOINT', base);
    handler = serve(Buffer.from('{"weight_map":{"a":"../../x.safetensors"}}'));
    const manifest = await loadManifest('blip2-flan-t5-xl');
    await expect(fetchManifest(manifest, join(folder, 'm'), quick)).rejects.toThrow(
      /shard "\.\.\/\.\.\/x\.safetensors" is not a plain \.safetensors file name/,
    );
  });

  it('notice another model under the same name', async () => {
    const manifest = await loadManifest('blip2-flan-t5-xl');
    const text = { d_model: 2048, d_ff: 5120, num_layers: 24, num_heads: 32, tie_word_embeddings: false };
    const gelu = { feed_forward_proj: 'gated-gelu', dense_act_fn: 'gelu' };
    const config = (overrides: object) =>
      parseBlip2Config({ text_config: { ...text, ...gelu, ...overrides } });
    expect(() => checkConfig(manifest, config({}), 'config.json')).not.toThrow();
    expect(() => checkConfig(manifest, config({ num_layers: 12 }), 'x/config.json')).toThrow(
      /x\/config\.json: text_config\.num_layers is 12, but blip2-flan-t5-xl has 24/,
    );
    expect(() => checkConfig(manifest, config({ dense_act_fn: null }), 'c')).toThrow(
      /dense_act_fn is "gelu_new"/,
    );
  });

  it('name the file and key that is wrong', async () => {
    await writeFile(join(folder, 'a.json'), JSON.stringify({ name: 'a', extra: 1 }));
    await expect(listManifests(folder)).rejects.toThrow(/a\.json: /);
    const good = await loadManifest('flan-t5-xl-tokenizer');
    await writeFile(join(folder, 'a.json'), JSON.stringify(good));
    await expect(listManifests(folder)).rejects.toThrow(/a\.json: name must equal the file name/);
  });
});
