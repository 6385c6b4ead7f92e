/** `generate` and `refine` on the command line, against the built-in teacher. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningTeacher, startTeacher } from '../../src/shapes/teacherServer.js';
import { teacherFront } from '../support/teacherFront.js';
import { reasvqa } from './support.js';

let folder: string;
let teacher: RunningTeacher;
let front: Awaited<ReturnType<typeof teacherFront>>;
const run = (...argv: string[]) => reasvqa(argv, { cwd: folder });
const recipe = ['dataset=shapes', 'videos=world/videos', 'train=world/train.csv'].flatMap((setting) => [
  '--set',
  `data.${setting}`,
]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa teacher '));
  const made = await run(
    'shapes',
    'make',
    '--out',
    'world',
    '--train',
    '6',
    '--val',
    '2',
    '--test',
    '2',
    '--json',
  );
  expect(made.code, made.stderr).toBe(0);
  expect(JSON.parse(made.stdout).clips).toEqual({ train: 6, val: 2, test: 2 });
  teacher = await startTeacher({ dataset: join(folder, 'world') });
  front = await teacherFront(teacher.url);
});
afterAll(async () => {
  await front?.close();
  await teacher?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('generate and refine over the built-in world', () => {
  const generate = (...more: string[]) =>
    run(
      'generate',
      ...recipe,
      '--teacher',
      front.url,
      '--model',
      'shapes-teacher',
      '--out',
      'g.jsonl',
      ...more,
    );
  const lines = async (name: string) =>
    (await readFile(join(folder, name), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('asks once about every sample, and not again the next time', async () => {
    const first = await generate('--json');
    expect(first.code, first.stderr).toBe(0);
    const { total, done, skipped } = JSON.parse(first.stdout);
    expect(total).toBeGreaterThan(0);
    expect({ done, skipped }).toEqual({ done: total, skipped: 0 });
    expect(front.received).toHaveLength(total);

    const second = await generate();
    expect(second.stdout).toContain(`${total} of ${total} samples in g.jsonl, ${total} from earlier runs\n`);
    expect(second.stdout).toMatch(/^teacher accuracy: \d+\.\d\d %$/m);
    expect(front.received).toHaveLength(total);

    const refined = await run('refine', 'g.jsonl', '--out', 'r.jsonl', '--json');
    expect(refined.code, refined.stderr).toBe(0);
    const stats = JSON.parse(refined.stdout);
    expect(stats.samples).toBe(total);
    const rows = await lines('r.jsonl');
    expect(rows).toHaveLength(stats.kept);
    for (const { reasoning } of rows) expect(reasoning).not.toMatch(/###\s*Answer/i);
  });

  it('a teacher that does not answer is exit code 3 and one line', async () => {
    const closed = await startTeacher({ dataset: join(folder, 'world') });
    await closed.close();
    const { code, stdout, stderr } = await run(
      ...['generate', ...recipe, '--teacher', closed.url, '--model', 'shapes-teacher'],
      ...['--out', 'other.jsonl', '--retries', '0'],
    );
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr.trim().split('\n').at(-1)).toContain(`reasvqa: teacher at ${closed.url}: `);
  });

  it('other settings do not mix into a file', async () => {
    const { code, stderr } = await generate('--frames', '2');
    expect(code).toBe(3);
    expect(stderr).toContain('g.jsonl');
  });
});
