/** `generate` and `refine` on the command line, against the built-in teacher. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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

  it('a cap is exit code 75, and the same command goes on', async () => {
    const capped = () =>
      run(
        ...['generate', ...recipe, '--teacher', `${front.url}#weight=2`, '--model', 'shapes-teacher'],
        ...['--out', 'capped.jsonl', '--max-requests', '10', '--deadline', '2h'],
      );
    const { code, stdout, stderr } = await capped();
    expect({ code, stdout }).toEqual({ code: 75, stdout: '' });
    expect(stderr.trim().split('\n').at(-1)).toMatch(
      /^reasvqa: --max-requests 10 was reached: stopped after 10 of \d+ samples, all kept in .*; run the same command again to continue$/,
    );
    expect((await capped()).stderr).toContain('stopped after 20 of');
    expect(await lines('capped.jsonl')).toHaveLength(20);
  });

  it('batch files out and in give the rows of live answers', async () => {
    const batch = (...more: string[]) =>
      run('generate', ...recipe, '--model', 'shapes-teacher', '--out', 'b.jsonl', ...more);
    const out = await batch('--batch-requests', 'requests.jsonl');
    expect(out.code, out.stderr).toBe(0);
    const results: string[] = [];
    for (const { custom_id, body } of await lines('requests.jsonl')) {
      const request = { method: 'POST', body: JSON.stringify(body) };
      const response = await fetch(`${teacher.url}/chat/completions`, request);
      results.unshift(
        JSON.stringify({
          custom_id,
          response: { status_code: response.status, body: await response.json() },
        }),
      );
    }
    await writeFile(join(folder, 'results.jsonl'), `${results.join('\n')}\n`);
    const read = await batch('--batch-results', 'results.jsonl');
    expect(read.code, read.stderr).toBe(0);
    expect(read.stdout).toContain(
      `${results.length} of ${results.length} samples in b.jsonl, 0 from earlier runs\n`,
    );
    const plain = (rows: object[]) => rows.map((row) => ({ ...row, usage: undefined }));
    expect(plain(await lines('b.jsonl'))).toEqual(plain(await lines('g.jsonl')));
  });

  it.each<[string[], RegExp]>([
    [[], /nobody to ask: expected either --teacher URL, --batch-requests FILE or --batch-results FILE/],
    [['--teacher', 'http://h/v1', '--batch-requests', 'r'], /more than one place for answers/],
    [
      ['--batch-requests', 'r', '--max-requests', '3'],
      /--max-requests: limits the requests of --teacher, and no batch file/,
    ],
    [['--batch-results', 'r', '--prices', 'p.json'], /--prices: limits the requests of --teacher/],
    [['--teacher', 'http://h/v1', '--max-cost', '3'], /--max-cost needs the prices of tokens/],
    [['--teacher', 'http://h/v1', '--prices', 'none.json'], /none\.json: no such file; expected prices/],
    [['--teacher', 'http://h/v1', '--deadline', '5'], /Expected a time such as 90s/],
    [['--teacher', 'http://h/v1', '--image-quality', '101'], /from 1 to 100/],
    [['--teacher', 'http://h/v1', '--image-detail', 'best'], /expected low, high or auto/],
    [['--teacher', 'http://h/v1', '--prompt', 'none.txt'], /none\.txt: the prompt cannot be read/],
    [['--teacher', 'http://h/v1', '--system', 'world'], /world: the system message cannot be read/],
    [['--teacher', 'http://h/v1#key=NO_SUCH_VARIABLE'], /variable that key= names is not set/],
  ])('%j is exit code 2 and one line', async (more, message) => {
    const { code, stdout, stderr } = await run(
      ...['generate', ...recipe, '--model', 'm', '--out', 'no.jsonl', ...more],
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr.trim().split('\n').at(-1)).toMatch(message);
    expect(existsSync(join(folder, 'no.jsonl'))).toBe(false);
  });
});
