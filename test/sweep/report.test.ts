import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { recordFailure } from '../../src/sweep/folder.js';
import { reportParts } from '../../src/sweep/report.js';
import { makeReportWorld, planTrials, type ReportWorld, writeRun } from '../report/support.js';

let scratch: string;
let world: ReportWorld;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sweep-report-'));
  world = await makeReportWorld(scratch);
});
afterAll(() => rm(scratch, { recursive: true }));

it('takes the trials of a sweep that have begun, with its figures, and says what is left out', async () => {
  const folder = join(scratch, 'sweep');
  const [first, second, third] = await planTrials(world, folder);
  await writeRun(world, first!.folder, { config: first!.config });
  await writeRun(world, second!.folder, { config: second!.config, done: false });
  await recordFailure(third!, new DataError('its data is gone'));
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"></svg>\n';
  await writeFile(join(folder, 'figure4.svg'), svg);
  await writeFile(join(folder, 'figure3.svg'), '<svg>cut');
  const run = join(scratch, 'alone');
  await writeRun(world, run);
  expect(await reportParts([folder, run])).toEqual({
    runs: [{ folder: first!.folder }, { folder: second!.folder }, { folder: run }],
    figures: [{ title: 'Figure 4 of sweep', svg }],
    notices: [
      `${folder}: 2 of 4 trials have not begun`,
      `${folder}: 1 of 4 trials are not finished`,
      `${third!.folder}: failed: its data is gone`,
      `${join(folder, 'figure3.svg')}: is not a whole SVG; the report goes on without it`,
    ],
  });
});

it('names the trials of arms by arm and settings', async () => {
  const folder = join(scratch, 'arms');
  const arms = ['long', 'short'].map((name, i) => ({ name, set: [`train.epochs=${i + 1}`] }));
  const trials = await planTrials(world, folder, arms);
  for (const { folder: place, config } of trials) await writeRun(world, place, { config });
  const { runs } = await reportParts([folder]);
  expect(new Set(runs.map(({ label }) => label))).toEqual(
    new Set(['long, beta 0', 'long, beta 0.8', 'short, beta 0', 'short, beta 0.8']),
  );
});

it('refuses a sweep without a run, and a path that is no folder', async () => {
  const folder = join(scratch, 'elsewhere', 'planned');
  await planTrials(world, folder);
  await expect(reportParts([folder])).rejects.toThrow('planned: none of its 4 trials has begun');
  await expect(reportParts([join(scratch, 'none')])).rejects.toThrow(
    /none: no such folder; give the folder of/,
  );
  await expect(reportParts([join(folder, 'plan.jsonl')])).rejects.toThrow(
    'plan.jsonl: is a file; give the folder',
  );
});
