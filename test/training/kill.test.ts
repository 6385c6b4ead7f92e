/** Runs killed at any moment continue to the same bits. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { csv } from '../../src/base/csv.js';
import { Rng } from '../../src/base/random.js';
import { selectEngine } from '../../src/engine/engine.js';
import { addonPath } from '../../src/engine/native/load.js';
import { readSweep, sweepPaths, trialStates } from '../../src/sweep/folder.js';
import { COST_COLUMNS, resultRows } from '../../src/sweep/results.js';
import { nativeMissing } from '../model/support.js';
import { equalMetrics, learned, makeWorld, type World, worldConfig, worldSettings } from './support.js';

const KILLS = 10;
const root = fileURLToPath(new URL('../..', import.meta.url));

describe.skipIf(nativeMissing)(
  `a run that is killed (kill -9)${nativeMissing ? `, SKIPPED, the native engine cannot run: ${nativeMissing}` : ''}`,
  () => {
    let scratch: string;
    let bundled: string;
    let world: World;

    beforeAll(async () => {
      await selectEngine('native-cpu');
      scratch = await mkdtemp(join(tmpdir(), 'reasvqa-kill-'));
      world = await makeWorld(scratch);
      // Below the repository, so that the bundle finds its packages; Node 20 cannot run TypeScript itself.
      await mkdir(join(root, 'build'), { recursive: true });
      bundled = await mkdtemp(join(root, 'build', 'kill-test-'));
      await build({
        entryPoints: [fileURLToPath(new URL('killChild.ts', import.meta.url))],
        outfile: join(bundled, 'child.mjs'),
        bundle: true,
        platform: 'node',
        format: 'esm',
        packages: 'external',
        logLevel: 'silent',
      });
    });
    afterAll(async () => {
      await rm(scratch, { recursive: true, force: true });
      await rm(bundled, { recursive: true, force: true });
    });

    /** Runs the child, killed `delay` ms after its `steps`-th step; resolves to whether it came to its end. */
    async function run(
      what: 'train' | 'sweep',
      config: string,
      folder: string,
      kill?: { steps: number; delay: number },
    ): Promise<boolean> {
      const child = spawn(process.execPath, [join(bundled, 'child.mjs'), what, config, folder], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, REASVQA_ADDON: addonPath() },
      });
      let [seen, errors] = [0, ''];
      child.stderr.on('data', (data) => {
        errors += data;
      });
      child.stdout.on('data', (data: Buffer) => {
        seen += String(data).split('\n').length - 1;
        if (kill && seen >= kill.steps) setTimeout(() => child.kill('SIGKILL'), kill.delay);
      });
      const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
        child.on('close', (...end) => resolve(end));
      });
      if (signal === 'SIGKILL') return false;
      if (code !== 0) throw new Error(`the child ended with ${code ?? signal}: ${errors}`);
      return true;
    }

    it(`at ${KILLS} random moments learns the same bits as one that is not`, async () => {
      const settings = ['train.checkpointEverySteps=1', 'train.epochs=8', 'train.batch=2'];
      const config = join(scratch, 'config.json');
      await writeFile(config, JSON.stringify(await worldConfig(world, ...settings)));
      const whole = join(scratch, 'whole');
      expect(await run('train', config, whole)).toBe(true);

      await killUntilDone('train', config, (broken) => expectSame(broken, whole));
    });

    it(`at ${KILLS} random moments of a sweep collects the results of one that is not`, async () => {
      const grid = ['train.beta=0,0.8', 'train.seed=1,2'];
      const settings = [...worldSettings(world), 'train.checkpointEverySteps=1', ...grid];
      const config = join(scratch, 'sweep.json');
      await writeFile(config, JSON.stringify(settings));
      // In folders of their own: trials that a sweep beside it has finished are not run again.
      const whole = join(scratch, 'whole-sweep', 'sweep');
      expect(await run('sweep', config, whole)).toBe(true);
      await killUntilDone('sweep', config, async (broken) => {
        expect(await resultsOf(broken)).toEqual(await resultsOf(whole));
        for (const { id, folder } of (await readSweep(broken)).trials)
          await expectSame(folder, join(sweepPaths(whole).trials, id));
      });
    });

    /** Kills and starts again until there were enough kills, and checks each folder that came to its end. */
    async function killUntilDone(
      what: 'train' | 'sweep',
      config: string,
      check: (folder: string) => Promise<void>,
    ): Promise<void> {
      const rng = new Rng('kills');
      let kills = 0;
      let runs = 0;
      // A fast machine may come to the end before the last kill: then another run takes the rest.
      while (kills < KILLS) {
        const broken = join(scratch, `broken-${what}-${runs++}`, what);
        const before = kills;
        while (!(await run(what, config, broken, killAfter(kills, rng)))) kills++;
        expect(kills).toBeGreaterThan(before);
        await check(broken);
      }
    }

    /** results.csv without what depends on the machine and its load. */
    async function resultsOf(folder: string): Promise<string[][]> {
      const sweep = await readSweep(folder);
      const [header, ...rows] = resultRows(sweep, await trialStates(sweep));
      const kept = header!.map((name) => !COST_COLUMNS.some((cost) => cost === name));
      expect(await readFile(sweepPaths(folder).results, 'utf8')).toBe(csv([header!, ...rows]));
      return [header!, ...rows].map((row) => row.filter((_, i) => kept[i]));
    }

    /** No kill once there were enough. */
    function killAfter(kills: number, rng: Rng) {
      return kills < KILLS ? { steps: 1 + rng.int(4), delay: rng.float() * 25 } : undefined;
    }

    async function expectSame(broken: string, whole: string): Promise<void> {
      expect(await learned(broken)).toEqual(await learned(whole));
      const evaluations = (folder: string) => readFile(join(folder, 'evaluations.json'), 'utf8');
      expect(await evaluations(broken)).toEqual(await evaluations(whole));
      const losses = (folder: string) => equalMetrics(folder).filter((line) => 'train/loss' in line);
      expect(losses(broken)).toEqual(losses(whole));
    }
  },
);
