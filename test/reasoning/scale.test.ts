/**
 * Many samples against a server that fails every fifth request, and a process that is killed again and again. The sizes
 * are small here; REASVQA_SCALE=10000 REASVQA_KILLS=20 is the full measure, whose figures are printed.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { faultyServer } from './faultyServer.js';
import { madeSamples } from './madeSamples.js';

const COUNT = Number(process.env.REASVQA_SCALE ?? 120);
const KILLS = Number(process.env.REASVQA_KILLS ?? 2);
const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
let bundled: string;
let server: Awaited<ReturnType<typeof faultyServer>>;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'scale-'));
  // Below the repository, so that the bundle finds its packages; Node 20 cannot run TypeScript itself.
  mkdirSync(join(root, 'build'), { recursive: true });
  bundled = mkdtempSync(join(root, 'build', 'scale-test-'));
  await build({
    entryPoints: { child: join(here, 'generateChild.ts'), server: join(here, 'faultyServer.ts') },
    outdir: bundled,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  server = await faultyServer();
});
afterAll(() => {
  server?.close();
  rmSync(folder, { recursive: true, force: true });
  rmSync(bundled, { recursive: true, force: true });
});

/** Runs the child; with `killAfter` it is killed once so many samples are done. Resolves to its last line, if it ended. */
async function run(url: string, out: string, killAfter?: number): Promise<string | undefined> {
  const child = spawn(process.execPath, [join(bundled, 'child.mjs'), url, out, String(COUNT)]);
  let [seen, errors, last] = [0, '', ''];
  child.stderr.on('data', (data) => {
    errors += data;
  });
  child.stdout.on('data', (data) => {
    const lines = String(data).trim().split('\n');
    seen += lines.length;
    last = lines.at(-1)!;
    if (killAfter !== undefined && seen >= killAfter) child.kill('SIGKILL');
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (...end) => resolve(end));
  });
  if (signal === 'SIGKILL') return undefined;
  expect(code, errors).toBe(0);
  return last;
}

it('loses and doubles nothing, and gives the same file after kills', async () => {
  const calm = join(folder, 'calm.jsonl');
  const program = spawn(process.execPath, [join(bundled, 'server.mjs')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = String(await new Promise((resolve) => program.stdout.once('data', resolve))).trim();
  const figures = await run(url, calm);
  program.kill();
  if (process.env.REASVQA_SCALE) console.log(figures);
  const { done, megabytes } = JSON.parse(figures!);
  expect(done).toBe(COUNT);
  expect(megabytes).toBeLessThan(300);
  const ids = readFileSync(calm, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).id);
  expect(ids).toEqual(madeSamples(COUNT).map(({ id }) => id));

  const killed = join(folder, 'killed.jsonl');
  const rng = new Rng('kills');
  let kills = 0;
  while (kills < KILLS) {
    if ((await run(server.url, killed, 1 + rng.int(Math.floor(COUNT / KILLS)))) !== undefined) break;
    kills++;
  }
  await run(server.url, killed);
  expect(kills).toBeGreaterThan(0);
  expect(readFileSync(killed)).toEqual(readFileSync(calm));
});
