/**
 * The whole method on the built-in world: data, a teacher over HTTP, reasoning generated and refined, students with
 * and without the reasoning loss, their evaluation, a report. The students are a sweep of two betas. Every stage is the code
 * that real data runs through, and continues where an earlier call stopped.
 */
import { join } from 'node:path';
import { stopIfAborted } from '../base/errors.js';
import { makeFolder } from '../base/files.js';
import { ownFile } from '../base/packageFiles.js';
import { formatDuration, say } from '../base/progress.js';
import type { EngineInfo } from '../engine/engine.js';
import type { RefineStats } from '../reasoning/refineFile.js';
import { writeReport } from '../report/report.js';
import type { ShapesSummary } from '../shapes/dataset.js';
import { firstSeeds } from '../sweep/axes.js';
import type { ComparedSetting } from '../sweep/comparisons.js';
import { reportParts } from '../sweep/report.js';
import { failureOf, runSweep, unfinishedOf } from '../sweep/run.js';
import { runShared } from '../sweep/shared.js';
import { resolveSweep, type SweepSpec } from '../sweep/spec.js';
import { makeClips, refineWorld, teach, worldFiles } from '../sweep/world.js';
import type { RunResult } from '../training/run/folder.js';
import { compareStudents, type StudentScore } from './students.js';

export interface DemoRequest {
  /** Everything the demo writes lies here: a sweep folder, with the world in `data`. */
  folder: string;
  engine: EngineInfo;
  /** Clips to train on; two fifths as many to validate. */
  clips: number;
  /** Students of each kind; their seeds are 1, 2, ... */
  seeds: number;
  betas: readonly [number, number];
  /** Recipe keys changed for every student. */
  overrides: readonly string[];
  signal: AbortSignal;
}

export interface DemoResult {
  folder: string;
  report: string;
  runs: { beta: number; seed: number; result: RunResult }[];
  /** Answers alone, then answers and reasoning: after the last epoch, and at the best. */
  compared: ComparedSetting[];
  /** The students of the study, which ship, on clips of their own. */
  students: StudentScore[];
  teacherAccuracy: number | null;
  seconds: number;
}

/** Clips that the study's students are asked about, at most; fewer where the demo itself trains on fewer. */
const UNSEEN_CLIPS = 250;

/** Passes over the training questions; the study's have more (bench/shapes/STUDY.md). */
const EPOCHS = 3;

const RECIPE = ownFile('bench/shapes/base.yaml');

/**
 * Share of the time that each stage takes, measured with one seed on two cores; they only serve to say how long is
 * left.
 */
const STAGE_WEIGHTS = { data: 4, generate: 20, refine: 1, train: 60, report: 4, students: 30 };

export async function runDemo(request: DemoRequest): Promise<DemoResult> {
  const { folder, seeds, betas, signal, clips } = request;
  const started = performance.now();
  await makeFolder(folder);
  const stages = new Stages(folder, signal, seeds * betas.length, started);
  const world = { folder: join(folder, 'data'), seed: 'demo', signal };
  const spec = await demoSpec(request, world.folder);

  stages.next('data', 'writing clips and questions of the shapes world');
  const summary = await makeClips(world, { clips, others: Math.round(0.4 * clips) });

  stages.next('generate', 'a teacher that errs writes reasoning, over HTTP');
  await teach(spec.trials[0]!.config, world);

  stages.next('refine', 'conclusions are taken out of the reasoning');
  const stats = await refineWorld(world.folder);

  const of = seeds > 1 ? `, seeds 1 to ${seeds}` : '';
  stages.next(
    'train',
    `training on answers alone (beta 0), and on answers and reasoning (beta ${betas[1]})${of}`,
  );
  const { states, compared } = await runSweep({
    ...{ folder, spec, signal, executor: runShared, engine: { engine: 'auto' } },
    say: (line) => say(`  ${line}`),
  });
  const failure = failureOf(states) ?? unfinishedOf(states);
  if (failure) throw failure;
  const runs = states.map(({ trial: { config }, result }) => ({
    ...{ beta: config.train.beta, seed: config.train.seed, result: result! },
  }));

  stages.next('report', 'writing the report');
  const report = join(folder, 'report.html');
  await writeReport({
    out: report,
    ...(await reportParts([folder])),
    title: 'ReasVQA on the shapes world',
    raw: worldFiles(world.folder).generated,
    facts: factsOf(request.engine, summary, stats, performance.now() - started),
    notes: [
      'Accuracy is on the validation split at the best epoch; the test split was not looked at.',
      'The world, its teacher and the base model ship with the program: this page shows that the method runs, not what it gains on real video.',
    ],
    onNotice: (line) => say(`  warning: ${line}`),
  });

  stages.next(
    'students',
    'three students of the study, trained for longer, answer questions about other clips',
  );
  const students = await compareStudents(
    RECIPE,
    join(folder, 'unseen'),
    signal,
    Math.min(clips, UNSEEN_CLIPS),
  );
  const { teacherAccuracy } = stats;
  const seconds = (performance.now() - started) / 1000;
  return { folder, report, runs, compared, students, teacherAccuracy, seconds };
}

/** The shapes recipe on the demo's own data, with two betas. */
function demoSpec({ betas, seeds, overrides }: DemoRequest, data: string): Promise<SweepSpec> {
  const { videos, train, val, test, refined } = worldFiles(data);
  const files = { videos, train, val, test, reasoning: refined };
  return resolveSweep({
    recipe: RECIPE,
    overrides: [
      ...Object.entries(files).map(([key, file]) => `data.${key}=${JSON.stringify(file)}`),
      `train.beta=${betas.join()}`,
      `train.epochs=${EPOCHS}`,
      ...overrides,
    ],
    seeds: firstSeeds(seeds),
  });
}

/** What no run folder tells. */
function factsOf(engine: EngineInfo, summary: ShapesSummary, stats: RefineStats, milliseconds: number) {
  const { questions, clips } = summary;
  const { teacherAccuracy } = stats;
  return [
    { label: 'This call', value: `${engine.description}, ${formatDuration(milliseconds)}` },
    {
      label: 'World',
      value: `${questions.train} training and ${questions.val} validation questions about ${clips.train + clips.val} clips`,
    },
    {
      label: 'Teacher',
      value:
        teacherAccuracy === null
          ? 'not judged'
          : `right in ${(100 * teacherAccuracy).toFixed(1)} % of its answers`,
    },
  ];
}

const STAGES = Object.keys(STAGE_WEIGHTS).length;

/** Says which stage begins and about how long is left. */
class Stages {
  private index = 0;
  private done = 0;
  private current = 0;
  private readonly total: number;
  private readonly trainWeight: number;

  constructor(
    private readonly folder: string,
    private readonly signal: AbortSignal,
    trainings: number,
    private readonly started: number,
  ) {
    this.trainWeight = STAGE_WEIGHTS.train * trainings;
    const others = Object.values(STAGE_WEIGHTS).reduce((sum, weight) => sum + weight, -STAGE_WEIGHTS.train);
    this.total = others + this.trainWeight;
  }

  /** @throws Interrupted when the signal has fired */
  next(stage: keyof typeof STAGE_WEIGHTS, what: string): void {
    stopIfAborted(this.signal, this.folder);
    this.done += this.current;
    this.current = stage === 'train' ? this.trainWeight : STAGE_WEIGHTS[stage];
    const passed = performance.now() - this.started;
    const left = this.done > 0 ? (passed * (this.total - this.done)) / this.done : undefined;
    const time = left === undefined ? '' : `  (about ${formatDuration(left)} left)`;
    say(`[${++this.index}/${STAGES}] ${what}${time}`);
  }
}
