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

  it('policies are measured by the answers and the truths that they leave', async () => {
    expect(
      (await run('refine', 'g.jsonl', '--policy', 'first-n', '--sentences', '1', '--out', 'f.jsonl')).code,
    ).toBe(0);
    const leak = await run('reasoning', 'leak', 'g.jsonl', 'f.jsonl', '--policy', 'paper');
    expect(leak.code, leak.stderr).toBe(0);
    expect(leak.stdout).toMatch(/^before .* 100\.0 \[100\.0, 100\.0\]/m);
    expect(leak.stdout).toMatch(/^paper /m);
    expect(leak.stdout).toMatch(/^f\.jsonl /m);
    expect(leak.stdout).toMatch(/^chance .* 20\.0/m);
    expect(leak.stderr).toContain('too few to train a reader');

    const truth = await run('reasoning', 'truth', 'g.jsonl', 'r.jsonl', '--world', 'world', '--json');
    expect(truth.code, truth.stderr).toBe(0);
    const counts = JSON.parse(truth.stdout);
    const after = counts.filter(
      ({ file, stage }: { file: string; stage: string }) => file === 'g.jsonl' && stage === 'after',
    );
    expect(after.map(({ answer }: { answer: string }) => answer)).toEqual(['correct', 'incorrect']);
    expect(after[0].share.rate).toBe(1);
    expect(after[1].false).toBe(after[1].chains);
    expect((await run('reasoning', 'truth', 'g.jsonl', '--world', 'world')).stdout).toMatch(
      /^g\.jsonl +before +correct/m,
    );
  });

  it.each([
    ['--policy', 'papers'],
    ['--original', '--policy', 'agreement'],
    ['--policy', 'entailment'],
    ['--ground-truth', 'all'],
    ['--votes', '1'],
  ])('refine refuses %s %s', async (...options) => {
    const { code, stderr } = await run('refine', 'g.jsonl', '--out', 'x.jsonl', ...options);
    expect(code).toBe(2);
    expect(stderr).toContain(options[0]);
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
