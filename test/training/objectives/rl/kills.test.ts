/** Runs that learn from rewards and fail at any place, the survey and a checkpoint among them, continue to the same bits. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Scorer } from '../../../../src/rewards/index.js';
import { GradientSum } from '../../../../src/training/gradientSum.js';
import { BatchLog } from '../../../../src/training/objectives/rl/log.js';
import { Reference } from '../../../../src/training/objectives/rl/reference.js';
import { SurveyFile } from '../../../../src/training/objectives/rl/surveyFile.js';
import { Writer } from '../../../../src/training/objectives/rl/writer.js';
import { AdamW } from '../../../../src/training/optimizer.js';
import { MetricsLog } from '../../../../src/training/run/metrics.js';
import { train } from '../../../../src/training/train.js';
import { useFastEngine } from '../../../model/support.js';
import { equalMetrics, learned, makeWorld, type World, worldConfig } from '../../support.js';

let scratch: string;
let world: World;
let whole: string;
beforeAll(async () => {
  await useFastEngine();
  scratch = await mkdtemp(join(tmpdir(), 'reasvqa-rl-kills-'));
  world = await makeWorld(scratch);
  whole = await run('whole');
});
afterAll(() => rm(scratch, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

async function run(name: string): Promise<string> {
  const folder = join(scratch, name);
  const config = await worldConfig(
    world,
    ...['train.mode=rl', 'train.rl.rewards.choice=1', 'train.rl.rewards.keywords=1', 'train.rl.group=2'],
    // The small student solves nothing: this filter keeps what is all wrong.
    ...['train.rl.filter=versavid', 'train.rl.maxNewTokens=4', 'train.accumulate=2'],
    ...['train.epochs=1', 'train.checkpointEverySteps=1', 'train.batch=2'],
  );
  await train({ config, folder, engine: {} });
  return folder;
}

const FAULT = 'the fault of this test';

/** Which call of a method fails, before it does its work or after it; calls are counted from the last start of the run. */
type Fault = [
  place: string,
  owner: object,
  method: string,
  fails: (call: number, args: unknown[]) => boolean,
  when?: 'after',
];

const at = (nth: number) => (call: number) => call === nth;

/** In the order in which one run, started again after each, meets them. */
const FAULTS: Fault[] = [
  ['in the survey, after a batch was drawn', Writer.prototype, 'write', at(2), 'after'],
  ['in the survey, before a batch is kept', SurveyFile.prototype, 'add', at(3)],
  ['between survey and first step', MetricsLog.prototype, 'truncateAfter', at(1)],
  ['after the line of step 0', MetricsLog.prototype, 'scalar', at(1), 'after'],
  ['after completions were drawn', Writer.prototype, 'write', at(2), 'after'],
  ['while they are rewarded', Scorer.prototype, 'score', at(6)],
  ['in the pass of the reference', Reference.prototype, 'logProbs', at(3)],
  ['in the loss', BatchLog.prototype, 'add', at(2)],
  ['between the batches of an update', GradientSum.prototype, 'add', at(3), 'after'],
  ['before an update', AdamW.prototype, 'update', at(2)],
  ['after an update, before its line', AdamW.prototype, 'update', at(1), 'after'],
  ['while a checkpoint is written', AdamW.prototype, 'state', at(3)],
  [
    'before the evaluation is recorded',
    MetricsLog.prototype,
    'scalar',
    (_, [, values]) => 'val/accuracy' in (values as object),
  ],
];

/** Has a method fail as {@link Fault} says until it is restored. */
function spoil([, owner, method, fails, when]: Fault) {
  let calls = 0;
  const methods = owner as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[method]!;
  const fail = () => {
    throw new Error(FAULT);
  };
  return vi.spyOn(methods, method).mockImplementation(function (this: unknown, ...args: unknown[]) {
    const now = fails(++calls, args);
    if (now && when === undefined) fail();
    const value = original.apply(this, args);
    if (!now) return value;
    return value instanceof Promise ? value.then(fail) : fail();
  });
}

describe('a run by rewards', () => {
  it(`that fails at ${FAULTS.length} places, one after the other, learns the same bits as one that does not`, async () => {
    for (const fault of FAULTS) {
      const spy = spoil(fault);
      await expect(run('broken'), fault[0]).rejects.toThrow(FAULT);
      spy.mockRestore();
    }
    const broken = await run('broken');
    expect(await learned(broken)).toEqual(await learned(whole));
    expect(equalMetrics(broken)).toEqual(equalMetrics(whole));
    for (const file of ['survey.jsonl', 'predictions.jsonl', 'evaluations.json'])
      expect(await readFile(join(broken, file), 'utf8'), file).toBe(
        await readFile(join(whole, file), 'utf8'),
      );
  });

  it('has the survey in a line of step 0', () => {
    const [first, ...others] = equalMetrics(whole);
    expect(first).toMatchObject({ step: 0, 'rl/pass_1': 0, 'rl/pass_2': 0, 'rl/kept': 1 });
    expect(first).not.toHaveProperty('rl/well_formed');
    for (const line of others) expect(line).not.toHaveProperty('rl/pass_1');
  });
});
