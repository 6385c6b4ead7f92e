/**
 * A row of table 3 from fetch to evaluation: `bench/nextqa/llava-0.5b-reasvqa.yaml` with its commands, on a random checkpoint
 * in the published layout that a server on 127.0.0.1 holds under the address of the real one.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { nextqa } from '../../src/data/datasets/nextqa.js';
import { loadManifest } from '../../src/weights/manifest.js';
import { type Ran, reasvqa } from '../commands/support.js';
import { makeFrames } from '../features/support.js';
import { writeCheckpoint } from '../model/llava/support.js';
import { useFastEngine } from '../model/support.js';
import { withoutProxies } from '../support/proxy.js';
import { hasAddon, root } from './installed.js';

const MANIFEST = 'llava-onevision-0.5b';
const RECIPE = 'bench/nextqa/llava-0.5b-reasvqa.yaml';
const ZERO_SHOT = 'bench/nextqa/llava-0.5b-zero-shot.yaml';
const VIDEOS = ['1001', '1002', '1003'];
const OPTIONS = ['it grows', 'it shrinks', 'it moves left', 'it stops', 'it turns blue'];
/** One question of each type. */
const ROWS = nextqa.types.map((type, i) => ({
  id: `${VIDEOS[i % 3]}_${i}`,
  cells: [VIDEOS[i % 3], 8, 4, 4, 'what does it do', i % 5, i, type, ...OPTIONS],
}));
const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
const CSV = [HEADER, ...ROWS.map(({ cells }) => cells.join(',')), ''].join('\n');

/** What the stand-in needs: its tokenizer has few words, so texts take more tokens; the recipes' sizes are for a GPU. */
const SMALL = ['text.maxPrompt=400', 'text.maxReasoning=24', 'eval.maxNewTokens=8', 'data.workers=1'];
const TRAINED = [...SMALL, 'train.epochs=1', 'video.frames=2', 'model.lora.r=2'];
const set = (settings: readonly string[]) => settings.flatMap((setting) => ['--set', setting]);
const ENGINE = hasAddon ? ['--engine', 'native-cpu'] : ['--engine', 'wasm', '--set', 'model.precision=f32'];

let clone: string;
let hub: Server;

beforeAll(async () => {
  await useFastEngine();
  clone = await mkdtemp(join(tmpdir(), 'reasvqa llava '));
  withoutProxies(vi.stubEnv);
  // Products of a few rows are not worth a second thread, which waits for a core beside other tests.
  vi.stubEnv('REASVQA_THREADS', '1');
  await cp(join(root, 'bench/nextqa'), join(clone, 'bench/nextqa'), { recursive: true });
  const data = join(clone, 'data/nextqa');
  for (const video of VIDEOS)
    await makeFrames(join(data, 'videos/0001', video), [0, 30, 60, 90, 120, 150, 180, 210]);
  for (const split of ['train', 'val', 'test']) await writeFile(join(data, `${split}.csv`), CSV);
  const map = Object.fromEntries(VIDEOS.map((video) => [video, `0001/${video}`]));
  await writeFile(join(data, 'map_vid_vidorID.json'), JSON.stringify(map));
  const refined = ROWS.map(({ id }) =>
    JSON.stringify({ id, reasoning: 'it waits, then moves', correct: true }),
  );
  await writeFile(join(data, 'refined.jsonl'), `${refined.join('\n')}\n`);
  hub = createServer(await publishedFiles());
  await new Promise<void>((resolve) => hub.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(hub.address() as AddressInfo).port}`);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  hub?.closeAllConnections();
  hub?.close();
  await rm(clone, { recursive: true });
});

/** The files of the stand-in, with the addresses of the manifest's. */
async function publishedFiles(): Promise<RequestListener> {
  const { repository, revision } = await loadManifest(MANIFEST);
  const folder = join(clone, 'published');
  await writeCheckpoint(folder, { dtype: 'F16' });
  await writeFile(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'Qwen2Tokenizer' }),
  );
  const pixels = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5], rescale_factor: 1 / 255 };
  await writeFile(join(folder, 'preprocessor_config.json'), JSON.stringify(pixels));
  const served = new Map<string, Buffer>();
  for (const name of await readdir(folder))
    served.set(`/${repository}/resolve/${revision}/${name}`, await readFile(join(folder, name)));
  return ({ url = '' }, response) => {
    const body = served.get(url);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  };
}

async function succeeded(...argv: string[]): Promise<Ran> {
  const ran = await reasvqa(argv, { cwd: clone });
  expect(ran.code, `${argv.join(' ')}\n${ran.stdout}${ran.stderr}`).toBe(0);
  return ran;
}

it('a recipe whose checkpoint has not been fetched says which command fetches it', async () => {
  for (const command of [
    ['evaluate', RECIPE],
    ['train', RECIPE, '--run', 'runs/none'],
  ]) {
    const { code, stderr } = await reasvqa([...command, ...ENGINE], { cwd: clone });
    expect(code, stderr).toBe(3);
    expect(stderr).toContain(`weights fetch ${MANIFEST}`);
  }
});

it('a recipe of table 3 leads from fetch to evaluation, question and sweep', async () => {
  await succeeded('weights', 'fetch', MANIFEST);
  await succeeded('weights', 'show', `weights/${MANIFEST}`);
  await succeeded('data', 'check', RECIPE);

  const before = await succeeded('evaluate', RECIPE, '--split', 'val', '--json', ...ENGINE, ...set(SMALL));
  expect(JSON.parse(before.stdout).total.count).toBe(ROWS.length);
  const asked = await succeeded('evaluate', ZERO_SHOT, ...ENGINE, ...set([...SMALL, 'video.frames=4']));
  expect(asked.stdout).toMatch(/^ *total\b/m);

  const run = 'runs/llava';
  await succeeded('train', RECIPE, '--run', run, ...ENGINE, ...set(TRAINED));
  const { stdout } = await succeeded('evaluate', '--run', run, '--split', 'val', ...ENGINE);
  expect(stdout).toMatch(/^ *total\b/m);
  const predictions = JSON.parse(await readFile(join(clone, run, 'predictions-val.json'), 'utf8'));
  expect(Object.keys(predictions).sort()).toEqual(ROWS.map(({ id }) => id).sort());

  const video = join('data/nextqa/videos/0001', VIDEOS[0]!);
  const question = ['ask', video, 'what does it do', '--run', run, '--json', ...ENGINE];
  const answer = JSON.parse((await succeeded(...question, '--options', ...OPTIONS)).stdout);
  expect(answer.options.map(({ text }: { text: string }) => text)).toEqual(OPTIONS);
  expect(answer.answer).toMatch(/^[A-E]$/);
  expect(typeof answer.reasoning).toBe('string');

  const axis = ['train.beta=0,0.8', 'features.cache=true'];
  await succeeded('sweep', RECIPE, '--sweep', 'runs/betas', ...ENGINE, ...set([...TRAINED, ...axis]));
  const rows = (await readFile(join(clone, 'runs/betas/results.csv'), 'utf8')).trim().split('\n');
  expect(rows).toHaveLength(3);
});
