import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAnnotations } from '../../src/data/annotations.js';
import { needsSeveralFrames } from '../../src/shapes/frames.js';
import { PAPER_TABLES } from '../../src/tables/paper.js';
import { reasvqa } from '../commands/support.js';
import { makeWorld, type World } from '../training/support.js';

let world: World;
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'table-')), 0);
});
afterAll(() => rm(world.folder, { recursive: true }));

/** Runs a table on a tiny world and student. */
function table(number: number, ...more: string[]) {
  const { data, base, folder } = world;
  const settings = {
    'data.videos': join(data, 'videos'),
    'data.train': join(data, 'train.csv'),
    'data.val': join(data, 'val.csv'),
    'data.reasoning': join(data, 'refined.jsonl'),
    'video.frames': 2,
    'model.base': base,
    'train.epochs': 1,
    'train.warmupSteps': 1,
    'train.batch': 8,
    'text.maxReasoning': 20,
    'features.folder': join(folder, 'features'),
  };
  const set = Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return reasvqa(['table', String(number), '--dataset', 'shapes', '--seeds', '1', ...set, ...more], {
    cwd: folder,
  });
}

type Row = Record<string, string>;
const rowsOf = (stdout: string) => parse<Row>(stdout, { columns: true });

describe('on the built-in world', () => {
  it.each(PAPER_TABLES.map(({ number }) => number))('table %i runs', async (number) => {
    const { code, stdout, stderr } = await table(number, '--format', 'csv');
    expect(stderr).not.toContain('failed');
    expect(code).toBe(0);
    const own = PAPER_TABLES.find((each) => each.number === number)!.rows.filter(({ arm }) => arm);
    const rows = rowsOf(stdout);
    expect([...new Set(rows.map(({ row }) => row))]).toEqual(own.map(({ name }) => name));
    for (const { row, column, ours, paper, note } of rows.filter((each) => each.column === 'Tot.')) {
      expect(paper).toBe('');
      expect(`${row} ${column} ${ours}${note}`).toMatch(
        / \d+(\.\d+)?$| no small LLaVA-OneVision for the shapes world$/,
      );
    }
  });

  it('writes captions of every training question and a smaller teacher for tables 9 and 10', async () => {
    const { data } = world;
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(data, 'train.csv') });
    const read = async (name: string) =>
      (await readFile(join(data, name), 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const [brief, detailed] = [await read('brief.jsonl'), await read('detailed.jsonl')];
    expect(brief.map(({ id }) => id)).toEqual(samples.map(({ id }) => id));
    for (const [i, { reasoning, correct }] of brief.entries()) {
      expect(correct).toBeNull();
      expect(reasoning).toMatch(/^a .* on a \w+ background\.$/);
      expect(detailed[i].reasoning.startsWith(reasoning)).toBe(true);
      expect(detailed[i].reasoning).toContain(' Frame 4: ');
    }
    const smaller = await read('smaller.jsonl');
    // Four tenths of 24.
    expect(smaller.filter(({ correct }) => !correct)).toHaveLength(10);
    expect((await read('smaller-refined.jsonl')).length).toBeGreaterThan(20);
  });

  it('trains nothing again, also for another table with the same rows', async () => {
    const again = await table(5);
    expect(again.stderr).toContain('5 trials: 5 done');
    expect(again.stderr).toContain('0 to run');
    const shared = await table(3, '--sweep', 'runs/of-others');
    expect(shared.stderr).toContain('2 trials: 2 done (2 in other sweeps), 0 to run');
    expect(shared.code).toBe(0);
  });

  it('scores table 6 on the questions that need several frames', async () => {
    const { samples } = await readAnnotations({ dataset: 'shapes', file: join(world.data, 'val.csv') });
    const several = samples.filter(({ question }) => needsSeveralFrames(question));
    const total = async (...more: string[]) =>
      rowsOf((await table(6, '--format', 'csv', ...more)).stdout).find(({ column }) => column === 'Tot.')!;
    expect((await total()).questions).toBe(String(several.length));
    await writeFile(join(world.folder, 'rows.txt'), '0 3\n5\n');
    expect((await total('--subset', 'rows.txt')).questions).toBe('3');
    const wrong = await table(6, '--subset', 'none.txt');
    expect(wrong).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('none.txt: no such file; make it'),
    });
  });

  it('answers the test split where the recipe is about it, once', async () => {
    const set = ['--set', 'eval.split=test', '--set', `data.test=${join(world.data, 'val.csv')}`];
    const folder = ['--sweep', 'runs/test-split'];
    const first = await table(1, ...set, ...folder);
    expect(first.stderr).toContain('reasvqa-seed-1: answers the test split');
    expect(first.stdout).toContain('test split');
    const run = join(world.folder, 'runs/test-split/trials/reasvqa-seed-1');
    const [test, val] = await Promise.all(
      ['predictions-test.jsonl', 'predictions.jsonl'].map((name) => readFile(join(run, name), 'utf8')),
    );
    // It is the same file, so the best epoch's answers are the same.
    expect(test).toBe(val);
    const second = await table(1, ...set, ...folder);
    expect(second.stderr).not.toContain('answers the test split');
    expect(second.stdout).toBe(first.stdout);
  });

  it('names the line of a result that is damaged, and goes on when it is mended', async () => {
    const file = join(world.folder, 'runs/table-5-shapes/trials/mtl-correct-seed-1/predictions.jsonl');
    const whole = await readFile(file, 'utf8');
    await writeFile(file, whole.slice(0, -20));
    const { code, stderr } = await table(5);
    expect(code).toBe(3);
    expect(stderr).toMatch(/mtl-correct-seed-1\/predictions\.jsonl:12: json: expected one JSON object/);
    await writeFile(file, whole);
    expect((await table(5)).code).toBe(0);
  });

  it('prints what is there when a trial fails, and ends with its error', async () => {
    const file = join(world.data, 'brief.jsonl');
    const captions = await readFile(file, 'utf8');
    await writeFile(file, 'no json\n');
    const { code, stdout, stderr } = await table(
      9,
      '--sweep',
      'runs/broken',
      '--set',
      'train.learningRate=0.001',
    );
    await writeFile(file, captions);
    expect(code).toBe(3);
    expect(stdout).toContain('w. Cap brief: 0 of 1 runs are done');
    expect(stdout).toMatch(/w\. Reasoning +\d/);
    expect(stderr).toContain('1 of 4 trials failed, captions-brief-seed-1 with:');
    expect(stderr).toContain('brief.jsonl:1: json');
  });
});

describe('--dry-run', () => {
  it.each([
    ...['nextqa', 'star', 'intentqa', 'shapes'].map((dataset) => [5, dataset] as const),
    [6, 'nextqa'] as const,
    [9, 'star'] as const,
    [10, 'intentqa'] as const,
  ])('counts table %i on %s without data, and writes nothing', async (number, dataset) => {
    const folder = await mkdtemp(join(tmpdir(), 'dry-run-'));
    const argv = ['table', String(number), '--dataset', dataset, '--dry-run', '--samples-per-second', '10'];
    const { code, stdout } = await reasvqa(argv, { cwd: folder });
    const left = await readdir(folder);
    await rm(folder, { recursive: true });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^trials {2}\d+, of which 0 are done\nsteps {3}[\d,]+ \([\d,]+ samples\)\nhours/);
    expect(stdout).toContain('10.0 samples/s, --samples-per-second');
    expect(stdout).toMatch(/disk {4}[\d.]+ GB of checkpoints/);
    expect(left).toEqual([]);
  });
});

describe('bad input', () => {
  const run = (...argv: string[]) => reasvqa(['table', ...argv], { cwd: world.folder });

  it.each([
    ['11', 'star', [], 'table 11: no such table; expected one of 1, 2, 3, 5, 6, 8, 9, 10'],
    ['table5', 'star', [], 'table table5: no such table (did you mean 5?)'],
    ['4', 'star', [], "nothing is trained for it; the paper reports a teacher's accuracies"],
    ['7', 'star', [], 'nothing is trained for it; the paper reports the sizes of the data sets'],
    ['5', 'next-qa', [], '--dataset next-qa: no tables for it (did you mean nextqa?)'],
    ['5', 'jsonl', [], '--dataset jsonl: no tables for it; expected one of nextqa, star, intentqa, shapes'],
    ['6', 'star', [], "ATP-hard is a subset of NExT-QA's questions; choose nextqa or shapes"],
    ['5', 'star', ['--set', 'train.beta=0.5'], '--set train.beta: rows of table 5 differ in it'],
    ['5', 'star', ['--set', 'train.epochs=1,2'], '--set train.epochs: a table has one value a key'],
    ['5', 'star', ['--set', 'train.betta=1'], 'unknown key (did you mean beta?)'],
    ['5', 'star', ['--set', 'train.seed=7'], '--set train.seed: the sweep varies it'],
    ['5', 'star', ['--set', 'data.reasoning=null'], 'a table needs the file of refined reasoning'],
    ['5', 'star', ['--set', 'data.dataset=nextqa'], '--set data.dataset: the table is asked for star'],
    ['5', 'star', ['--seeds', 'three'], '--seeds three: expected how many'],
    ['5', 'star', ['--format', 'html'], 'Allowed choices are text, markdown, csv'],
  ])('table %s --dataset %s %j is a usage error', async (number, dataset, more, message) => {
    const { code, stderr } = await run(number, '--dataset', dataset, ...more);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('names the file that is missing, and the command that makes it', async () => {
    const { folder } = world;
    const video = 'v,4,8,8,why,1,0,CW,a,b,c,d,e';
    const header = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
    for (const name of ['train.csv', 'val.csv']) await writeFile(join(folder, name), `${header}\n${video}\n`);
    const set = [
      '--set',
      'data.train=train.csv',
      '--set',
      'data.val=val.csv',
      '--set',
      'data.reasoning=r.jsonl',
    ];
    const asked = async (number: string, dataset: string) => {
      const { code, stderr } = await run(number, '--dataset', dataset, ...set);
      expect(code).toBe(3);
      return stderr.replaceAll(`${folder}/`, '');
    };
    expect(await run('5', '--dataset', 'star', '--set', 'data.train=none.json')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(
        "none.json: no such file (data.train); STAR's annotations belong there",
      ),
    });
    const generate = 'reasvqa generate bench/nextqa/reasvqa.yaml --teacher URL --model NAME';
    expect(await asked('1', 'nextqa')).toContain(
      `r.jsonl: no such file; make it with ${generate} --out reasoning.jsonl, then reasvqa refine reasoning.jsonl --out r.jsonl`,
    );
    await writeFile(join(folder, 'r.jsonl'), '');
    expect(await asked('9', 'nextqa')).toContain(
      `brief.jsonl: no such file; make it with ${generate} --write brief --out brief.jsonl`,
    );
    await writeFile(join(folder, 'brief.jsonl'), '');
    expect(await asked('9', 'nextqa')).toContain(`${generate} --write detailed --out detailed.jsonl`);
    expect(await asked('10', 'nextqa')).toContain(`make it with ${generate} --out internvl-4b.jsonl`);
    await writeFile(join(folder, 'internvl-4b.jsonl'), '');
    expect(await asked('10', 'nextqa')).toContain(
      `internvl-4b-refined.jsonl: no such file; make it with ${generate} --out internvl-4b.jsonl, then reasvqa refine internvl-4b.jsonl --out internvl-4b-refined.jsonl`,
    );
    expect(await asked('6', 'nextqa')).toContain(
      'atp-hard.txt: no such file; make it with reasvqa data atp-hard val.csv ATPHARD.csv --out atp-hard.txt',
    );
  });
});
