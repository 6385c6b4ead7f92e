/** Published annotation files from a local server in the place of their homes. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { datasetOf } from '../../src/data/datasets/index.js';
import { fetchPublished, publishedDataset, publishedDatasets } from '../../src/data/published.js';
import { reasvqa } from '../commands/support.js';
import { withoutProxies } from '../support/proxy.js';

const CSV = `video,question,answer,qid,type,a0,a1,a2,a3,a4\n${'1,why,0,1,CW,a,b,c,d,e\n'.repeat(2000)}`;

let folder: string;
let server: Server;
let mirror: string;
let paths: string[];
let handler: RequestListener;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-published-'));
  withoutProxies(vi.stubEnv);
  paths = [];
  handler = (_, response) => response.end(CSV);
  server = createServer((request, response) => {
    paths.push(request.url!);
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  mirror = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const sha256 = createHash('sha256').update(CSV).digest('hex');
const FILES = [
  { path: 'train.csv', url: 'https://host.test/a/train.csv' },
  { path: 'val.csv', url: 'https://host.test/a/val.csv', bytes: CSV.length, sha256 },
];
const fetchFiles = (files = FILES) =>
  fetchPublished({ files }, folder, { mirror, attempts: 2, backoffMs: 1 });

describe('published files', () => {
  it('are fetched once, from the folder of their host on a mirror', async () => {
    expect((await fetchFiles()).map(({ fetched }) => fetched)).toEqual([true, true]);
    expect(await readFile(join(folder, 'val.csv'), 'utf8')).toBe(CSV);
    expect(paths).toEqual(['/host.test/a/train.csv', '/host.test/a/val.csv']);
    expect((await fetchFiles()).map(({ fetched }) => fetched)).toEqual([false, false]);
    expect(paths).toHaveLength(2);
  });

  it('are continued after an interruption', async () => {
    let cut = true;
    handler = (request, response) => {
      const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(start ? 206 : 200, {
        etag: '"v1"',
        'content-length': CSV.length - start,
        ...(start ? { 'content-range': `bytes ${start}-${CSV.length - 1}/${CSV.length}` } : {}),
      });
      if (!cut) return void response.end(CSV.slice(start));
      cut = false;
      response.write(CSV.slice(0, 20_000), () => setTimeout(() => response.destroy(), 50));
    };
    await fetchFiles();
    expect(await readFile(join(folder, 'train.csv'), 'utf8')).toBe(CSV);
  });

  it.each([
    ['another size', 'other', /got 5 bytes, expected/],
    ['another hash', CSV.replace('why', 'who'), /SHA-256 is/],
  ])('of %s are not kept', async (_, body, message) => {
    handler = (_request, response) => response.end(body);
    await expect(fetchFiles(FILES.slice(1))).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual([]);
  });

  it('that are web pages are not kept', async () => {
    handler = (_, response) => response.end('<!DOCTYPE html><html>log in</html>');
    await expect(fetchFiles(FILES.slice(0, 1))).rejects.toThrow('a web page came instead');
    expect(await readdir(folder)).toEqual([]);
  });

  it('that are gone are named', async () => {
    handler = (_, response) => response.writeHead(404).end();
    await expect(fetchFiles()).rejects.toThrow('/host.test/a/train.csv: not found (404)');
  });

  it("do not replace a person's own file of the name", async () => {
    await writeFile(join(folder, 'val.csv'), 'mine');
    await expect(fetchFiles()).rejects.toThrow('val.csv: is there, and is not the published file');
    expect(await readFile(join(folder, 'val.csv'), 'utf8')).toBe('mine');
  });
});

describe('data fetch', () => {
  const run = (...argv: string[]) =>
    reasvqa(['data', 'fetch', ...argv], { cwd: folder, env: { REASVQA_DATA_MIRROR: mirror } });

  it('lists the datasets', async () => {
    const { code, stdout } = await run();
    expect(code).toBe(0);
    for (const { name, files } of publishedDatasets())
      expect(stdout).toMatch(new RegExp(`^${name} .*${files[0]!.path}`, 'm'));
  });

  it('downloads nothing before the licence is accepted, exit code 2', async () => {
    const { code, stderr } = await run('intentqa');
    expect(code).toBe(2);
    expect(stderr).toContain('licence: none stated');
    expect(stderr).toContain('give --accept-licence');
    expect(paths).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  });

  it('writes data/<name>, and says where the videos are', async () => {
    handler = (_, response) => response.end('[{}]');
    const { code, stdout, stderr } = await run('star', '--accept-licence');
    expect(code).toBe(0);
    expect(await readdir(join(folder, 'data', 'star'))).toEqual([
      'STAR_test.json',
      'STAR_train.json',
      'STAR_val.json',
    ]);
    expect(stdout.split('\n')[0]).toBe(join(folder, 'data', 'star', 'STAR_train.json'));
    expect(stderr).toContain('licence: Apache-2.0');
    expect(stderr).toContain('Charades');
  });

  it('says that a file is another one than the manifest has', async () => {
    await mkdir(join(folder, 'd'));
    const { code, stderr } = await run('nextqa', '--accept-licence', '--out', 'd');
    expect(code).toBe(3);
    expect(stderr).toMatch(/val\.csv: got \d+ bytes, expected 814107/);
  });

  it('of another name is refused', async () => {
    const { code, stderr } = await run('mars', '--accept-licence');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'reasvqa: no published files of "mars"; known are nextqa, star, intentqa\n',
    });
  });
});

it.each(publishedDatasets().map(({ name }) => name))(
  'the manifest of %s has the files of its record',
  (name) => {
    const files = publishedDataset(name).files.map(({ path }) => path);
    for (const file of Object.values(datasetOf(name).splits)) expect(files).toContain(file);
  },
);
