/**
 * The whole method on the built-in world: data, a teacher over HTTP, reasoning generated and refined, students with
 * and without the reasoning loss, their evaluation, a report. Every stage is the code that real data runs through, and
 * every stage continues where an earlier call stopped.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createProgress, formatDuration, say } from '../base/progress.js';
import { readSplit } from '../batches/split.js';
import { resolveConfig } from '../config/load.js';
import type { Config } from '../config/schema.js';
import type { EngineInfo } from '../engine/engine.js';
import { openTeacher } from '../reasoning/client.js';
import { generateReasoning } from '../reasoning/generate.js';
import { type RefineStats, refineFile } from '../reasoning/refineFile.js';
import { writeReport } from '../report/report.js';
import { makeShapes, type ShapesSummary } from '../shapes/dataset.js';
import { startTeacher } from '../shapes/teacherServer.js';
import type { RunResult } from '../training/run/folder.js';
import { train } from '../training/train.js';
import { readFrames } from '../video/frames.js';

export interface DemoRequest {
  /** Everything the demo writes lies here. */
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
  teacherAccuracy: number | null;
  seconds: number;
}

const RECIPE = fileURLToPath(new URL('../../bench/shapes/base.yaml', import.meta.url));

/** Frames the teacher is shown (paper, section 4.1: N = 4). */
const TEACHER_FRAMES = 4;

/**
 * Share of the time that each stage takes, measured with one seed on two cores; they only serve to say how long is
 * left.
 */
const STAGE_WEIGHTS = { data: 4, generate: 20, refine: 1, train: 60, report: 4 };

export async function runDemo(request: DemoRequest): Promise<DemoResult> {
  const { folder, seeds, betas } = request;
  const started = performance.now();
  await mkdir(folder, { recursive: true });
  const trainings = seeds * betas.length;
  const stages = new Stages(trainings, started);

  stages.next('data', 'writing clips and questions of the shapes world');
  const summary = await makeData(request);

  stages.next('generate', 'a teacher that errs writes reasoning, over HTTP');
  const config = await demoConfig(request, 0, 1);
  await generate(config, folder, request.signal);

  stages.next('refine', 'conclusions are taken out of the reasoning');
  const stats = await refineFile({ input: generatedFile(folder), output: refinedFile(folder) });
  say(`  ${describeRefinement(stats)}`);

  const runs: (DemoResult['runs'][number] & { folder: string })[] = [];
  for (let seed = 1; seed <= seeds; seed++)
    for (const beta of betas) {
      const what = beta === 0 ? 'answers alone' : 'answers and reasoning';
      stages.next('train', `training on ${what} (beta ${beta}${seeds > 1 ? `, seed ${seed}` : ''})`);
      const runFolder = join(folder, `beta-${beta}-seed-${seed}`);
      const runConfig = await demoConfig(request, beta, seed);
      const result = await train({
        config: runConfig,
        folder: runFolder,
        signal: request.signal,
        label: '  student',
      });
      runs.push({ beta, seed, folder: runFolder, result });
    }

  stages.next('report', 'writing the report');
  const report = join(folder, 'report.html');
  await writeReport({
    out: report,
    runs: runs.map((run) => ({ folder: run.folder })),
    title: 'ReasVQA on the shapes world',
    raw: generatedFile(folder),
    facts: factsOf(request.engine, summary, stats, performance.now() - started),
    notes: [
      'Accuracy is on the validation split at the best epoch; the test split was not looked at.',
      'The world, its teacher and the base model ship with the program: this page shows that the method runs, not what it gains on real video.',
    ],
    onNotice: (line) => say(`  warning: ${line}`),
  });
  return {
    folder,
    report,
    runs: runs.map(({ beta, seed, result }) => ({ beta, seed, result })),
    teacherAccuracy: stats.teacherAccuracy,
    seconds: (performance.now() - started) / 1000,
  };
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

/** Says which stage begins and about how long is left. */
class Stages {
  private index = 0;
  private done = 0;
  private current = 0;
  private readonly total: number;

  constructor(
    private readonly trainings: number,
    private readonly started: number,
  ) {
    const { data, generate, refine, train, report } = STAGE_WEIGHTS;
    this.total = data + generate + refine + report + train * trainings;
  }

  next(stage: keyof typeof STAGE_WEIGHTS, what: string): void {
    this.done += this.current;
    this.current = STAGE_WEIGHTS[stage];
    const passed = performance.now() - this.started;
    const left = this.done > 0 ? (passed * (this.total - this.done)) / this.done : undefined;
    const time = left === undefined ? '' : `  (about ${formatDuration(left)} left)`;
    say(`[${++this.index}/${4 + this.trainings}] ${what}${time}`);
  }
}

const dataFolder = (folder: string) => join(folder, 'data');
const generatedFile = (folder: string) => join(folder, 'data', 'generated.jsonl');
const refinedFile = (folder: string) => join(folder, 'data', 'refined.jsonl');

async function makeData({ folder, clips: train }: DemoRequest): Promise<ShapesSummary> {
  const others = Math.round(0.4 * train);
  const progress = createProgress({ label: '  clips', unit: 'clips' });
  const summary = await makeShapes({
    out: dataFolder(folder),
    seed: 'demo',
    ...{ train, val: others, test: others },
    onProgress: (done) => progress.tick(done),
  }).finally(() => progress.done());
  const { questions, clips } = summary;
  say(
    `  ${questions.train} training and ${questions.val} validation questions about ${clips.train + clips.val} clips`,
  );
  return summary;
}

/** The shapes recipe on the demo's own data. */
async function demoConfig({ folder, overrides }: DemoRequest, beta: number, seed: number): Promise<Config> {
  const data = dataFolder(folder);
  const { config } = await resolveConfig({
    recipe: RECIPE,
    overrides: [
      `data.videos=${join(data, 'videos')}`,
      `data.train=${join(data, 'train.csv')}`,
      `data.val=${join(data, 'val.csv')}`,
      `data.test=${join(data, 'test.csv')}`,
      `data.reasoning=${refinedFile(folder)}`,
      // One folder for all students: they share the frozen vision model.
      `features.folder=${join(folder, 'features')}`,
      `train.beta=${beta}`,
      `train.seed=${seed}`,
      ...overrides,
    ],
  });
  return config;
}

async function generate(config: Config, folder: string, signal: AbortSignal): Promise<void> {
  const withoutReasoning: Config = { ...config, data: { ...config.data, addPunctuation: false } };
  delete withoutReasoning.data.reasoning;
  const { samples, paths } = await readSplit(withoutReasoning, config.data.train!, false);
  const server = await startTeacher({ dataset: dataFolder(folder), seed: 'demo' });
  const progress = createProgress({ label: '  teacher', total: samples.length, unit: 'questions' });
  try {
    const client = await openTeacher({ baseUrl: server.url, model: server.model });
    const { judged, correct } = await generateReasoning({
      samples,
      framesOf: (sample) =>
        readFrames({
          path: paths.get(sample.video)!,
          id: sample.id,
          count: TEACHER_FRAMES,
          mode: 'uniform',
          signal,
        }),
      frameCount: TEACHER_FRAMES,
      client,
      out: generatedFile(folder),
      onProgress: ({ done, failed }) => progress.tick(done + failed),
      onNotice: (line) => progress.say(`  ${line}`),
      signal,
    });
    progress.done(`the teacher answers ${((100 * correct) / judged).toFixed(1)} % correctly`);
  } finally {
    progress.done();
    await server.close();
  }
}

function describeRefinement({ samples, kept, removed, correct, incorrect }: RefineStats): string {
  const sentences = Object.values(removed).reduce((a, b) => a + b, 0);
  return `${sentences} conclusions removed from ${samples} texts (${correct} correct, ${incorrect} incorrect reasoning); ${kept} have steps left`;
}
