/**
 * README's "From a clone to a NExT-QA result": its commands, read out of README.md, run in order. Servers on 127.0.0.1
 * stand for Hugging Face, GitHub and the teacher, a folder with the one recipe for the clone, and a tiny random BLIP-2 for
 * the 16 GB one.
 */
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { nextqa } from '../../src/data/datasets/nextqa.js';
import type * as Published from '../../src/data/published.js';
import { SafetensorsFile, type WritableTensor, writeSafetensors } from '../../src/weights/safetensors.js';
import { reasvqa } from '../commands/support.js';
import { makeFrames } from '../features/support.js';
import { stream, teacherServer } from '../reasoning/teacherServer.js';
import { withoutProxies } from '../support/proxy.js';
import { makeBase } from '../training/support.js';
import { hasAddon, root } from './installed.js';

const { annotations } = vi.hoisted(() => ({ annotations: new Map<string, string>() }));

// The manifest fixes the size and hash of the real files; those of the stand-ins are in their place.
vi.mock('../../src/data/published.js', async (importOriginal) => {
  const real = await importOriginal<typeof Published>();
  const publishedDataset = (name: string) => {
    const dataset = real.publishedDataset(name);
    const files = dataset.files.map(({ path, url, bytes, sha256 }) => {
      const text = annotations.get(path) ?? '';
      return {
        ...{ path, url },
        ...(bytes && { bytes: text.length }),
        ...(sha256 && { sha256: createHash('sha256').update(text).digest('hex') }),
      };
    });
    return { ...dataset, files };
  };
  return { ...real, publishedDataset };
});

const TEACHER = 'http://localhost:8000/v1';
const VIDEOS = ['1001', '1002', '1003'];
const HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
/** One question of each type. */
const ROWS = nextqa.types.map((type, i) =>
  [VIDEOS[i % 3], 8, 4, 4, 'what does the red object do', i % 5, i, type].concat([
    'it grows',
    'it shrinks',
    'it moves left',
    'it stops',
    'it turns blue',
  ]),
);
const CSV = [HEADER, ...ROWS.map((row) => row.join(',')), ''].join('\n');

let clone: string;
let hosts: Server;
let teacher: Awaited<ReturnType<typeof teacherServer>>;

/** Paths of {@link hosts} and what lies there. */
const served = new Map<string, string | Buffer>();

beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'reasvqa readme '));
  await cp(join(root, 'bench/nextqa/reasvqa.yaml'), join(clone, 'bench/nextqa/reasvqa.yaml'));
  withoutProxies(vi.stubEnv);
  // Products of a few rows are not worth a second thread, which waits for a core beside other tests.
  vi.stubEnv('REASVQA_THREADS', '1');
  for (const name of ['train.csv', 'val.csv', 'test.csv']) annotations.set(name, CSV);
  const map = Object.fromEntries(VIDEOS.map((video) => [video, `0001/${video}`]));
  annotations.set('map_vid_vidorID.json', JSON.stringify(map));
  for (const [name, text] of annotations)
    served.set(`/raw.githubusercontent.com/doc-doc/NExT-QA/main/dataset/nextqa/${name}`, text);
  await serveWeights('/Salesforce/blip2-flan-t5-xl/resolve/main');
  hosts = createServer(({ url }, response) => {
    const body = served.get(url!);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => hosts.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(hosts.address() as AddressInfo).port}`);
  teacher = await teacherServer((_, response) =>
    stream(response, 'The red object waits. Then it moves.\n###Answer: C'),
  );
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await teacher?.close();
  hosts?.closeAllConnections();
  hosts?.close();
  await rm(clone, { recursive: true });
});

/** Serves a tiny random student as Salesforce/blip2-flan-t5-xl lies on the hub: in shards, with an index. */
async function serveWeights(below: string): Promise<void> {
  const folder = join(clone, 'tiny');
  await makeBase(folder, 0.1);
  const checkpoint = await SafetensorsFile.open(join(folder, 'model.safetensors'));
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  const tensors = shards.map(() => new Map<string, WritableTensor>());
  for (const [i, name] of checkpoint.names.entries())
    tensors[i % 2]!.set(name, (await checkpoint.read(name)) as WritableTensor);
  await checkpoint.close();
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(folder, shard), tensors[i]!);
  const where = tensors.flatMap((part, i) => [...part.keys()].map((name) => [name, shards[i]]));
  await writeFile(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: Object.fromEntries(where) }),
  );
  await rm(join(folder, 'model.safetensors'));
  for (const name of await readdir(folder))
    served.set(`${below}/${name}`, await readFile(join(folder, name)));
  await rm(folder, { recursive: true });
}

/** What the README's commands have that is not here. Each is used, or the README has changed. */
const SUBSTITUTES: readonly { of: RegExp; by: () => string; because: string }[] = [
  {
    of: /(?<=^data fetch nextqa)$/,
    by: () => ' --accept-licence',
    because: 'the licence is asked for on a terminal, and a test has none',
  },
  { of: new RegExp(TEACHER), by: () => teacher.url, because: 'the port of a test server is any free one' },
  {
    of: /--engine native-cuda$/,
    by: () => (hasAddon ? '--engine native-cpu' : '--engine wasm --set model.precision=f32'),
    because: 'a test has no GPU; where no addon is built, no bf16 either',
  },
];

/** What a person does by hand behind a command. */
const BY_HAND: Record<string, () => Promise<void>> = {
  'data fetch nextqa': async () => {
    for (const video of VIDEOS)
      await makeFrames(join(clone, 'data/nextqa/videos/0001', video), [0, 30, 60, 90, 120, 150, 180, 210]);
  },
};

async function commandsOfReadme(): Promise<string[]> {
  const text = await readFile(join(root, 'README.md'), 'utf8');
  const section = text.split('\n## From a clone to a NExT-QA result\n')[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^ +npx reasvqa (.+)$/gm)].map(([, command]) => command!);
}

const jsonLines = async (name: string) =>
  (await readFile(join(clone, name), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; reasoning: string });

it("README's commands lead from a clone to a NExT-QA result", async () => {
  const commands = await commandsOfReadme();
  const steps = ['weights fetch', 'data fetch', 'data check', 'generate', 'refine', 'train', 'evaluate'];
  for (const [i, step] of steps.entries()) expect(commands[i]).toMatch(new RegExp(`^${step} `));

  const unused = new Set(SUBSTITUTES);
  const env = { REASVQA_DATA_MIRROR: process.env.HF_ENDPOINT };
  let last = '';
  for (const command of commands) {
    // No shell takes the words apart.
    expect(command).not.toMatch(/['"\\|&;<>$`*~]/);
    let line = command;
    for (const substitute of SUBSTITUTES) {
      if (!substitute.of.test(line)) continue;
      line = line.replace(substitute.of, substitute.by());
      unused.delete(substitute);
    }
    const { code, stdout, stderr } = await reasvqa(line.split(/ +/), { cwd: clone, env });
    expect(code, `${line}\n${stdout}${stderr}`).toBe(0);
    await BY_HAND[command]?.();
    last = stdout;
  }
  expect([...unused].map(({ of }) => of)).toEqual([]);

  const ids = ROWS.map(([video, , , , , , qid]) => `${video}_${qid}`).sort();
  expect(teacher.received.map(({ body }) => body.model)).toEqual(ids.map(() => 'OpenGVLab/InternVL2-26B'));
  expect((await jsonLines('data/nextqa/reasoning.jsonl')).map(({ id }) => id).sort()).toEqual(ids);
  const refined = await jsonLines('data/nextqa/refined.jsonl');
  expect(refined.map(({ id }) => id).sort()).toEqual(ids);
  for (const { reasoning } of refined) expect(reasoning).toMatch(/^The red object waits\.[^#]*$/);
  const types = nextqa.types.map((type) => nextqa.countsAs?.[type] ?? type);
  for (const name of [...types, ...Object.keys(nextqa.groups)])
    expect(last).toMatch(new RegExp(`^ *${name}\\b`, 'm'));
  const predictions = JSON.parse(await readFile(join(clone, 'runs/nextqa/predictions-val.json'), 'utf8'));
  expect(Object.keys(predictions).sort()).toEqual(ids);
});
