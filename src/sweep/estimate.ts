/**
 * What a sweep would cost, before it runs: trials, steps, hours and disk. Works without data, weights and a network: what
 * cannot be known then is said to be unknown.
 */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isFile } from '../base/files.js';
import { selectReasoning } from '../batches/split.js';
import { trainsReasoning } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import { datasetOf } from '../data/datasets/index.js';
import { joinReasoning } from '../data/reasoning.js';
import type { Sample } from '../data/sample.js';
import { studentSize } from '../model/size.js';
import { isSweep, type PlannedTrial, readSweep, type Sweep, trialState } from './folder.js';

export interface EstimateOptions {
  /** Used where no trial with the same base model and engine has finished. */
  samplesPerSecond?: number | undefined;
  /** The engine that will run; trials of any engine count for `auto`. */
  engine?: string | undefined;
  /** Training questions of a data set that is yet to be made. */
  questions?: number | undefined;
}

export interface Estimate {
  trials: number;
  /** Finished here or in another sweep. */
  done: number;
  /** Updates and samples of the trials that are left; undefined where the number of questions is unknown. */
  steps: number | undefined;
  samples: number | undefined;
  /** Training alone; evaluations come on top. Undefined until a rate is known. */
  hours: number | undefined;
  samplesPerSecond: number | undefined;
  /** Where the rate comes from. */
  rateFrom: string;
  /** Two checkpoints of each trial. */
  checkpointBytes: number | undefined;
  /** Kept features of the frozen vision model, at most; 0 where none are kept. */
  featureBytes: number | undefined;
  /** Where counts come from, and what is unknown and why; a line each. */
  notes: string[];
}

/** A value and its two AdamW moments, in float32; adapters once more, in PEFT's layout (src/training/run/checkpoint.ts). */
const BYTES_PER_TRAINABLE = 12;
const BYTES_PER_ADAPTER = 4;
/** The best checkpoint and the last one stay (src/training/train.ts). */
const CHECKPOINTS = 2;

/**
 * Adds up what is left of a sweep. Trials count as done as {@link trialState} says.
 *
 * @throws DataError for annotations or a config.json that are there and cannot be read
 */
export async function estimateSweep(
  sweep: Pick<Sweep, 'folder' | 'trials'>,
  options: EstimateOptions = {},
): Promise<Estimate> {
  const states = await Promise.all(sweep.trials.map(trialState));
  const left = states.flatMap(({ state, trial }) => (state === 'done' || state === 'halved' ? [] : [trial]));
  const notes = new Set<string>();
  const counter = new QuestionCounter(options.questions, notes);
  const work = await Promise.all(
    left.map(async ({ config }) => workOf(config, await counter.trained(config))),
  );
  const known = work.every((each) => each !== undefined);
  const sum = (of: 'steps' | 'samples') =>
    known ? work.reduce((total, each) => total + each[of], 0) : undefined;
  const { rateOf, from } = await rates(sweep, options);
  // A trial of another base model has another rate; one without a rate leaves the hours unknown.
  const seconds = known
    ? left.reduce((total, { config }, i) => total + work[i]!.samples / rateOf(config.model.base), 0)
    : Number.NaN;
  const samples = sum('samples');
  if (!known) notes.add('the annotations are not there, so the number of questions is unknown');
  return {
    trials: states.length,
    done: states.length - left.length,
    steps: sum('steps'),
    samples,
    hours: Number.isNaN(seconds) ? undefined : seconds / 3600,
    samplesPerSecond: samples && seconds > 0 ? samples / seconds : undefined,
    rateFrom: from,
    ...(await diskOf(left, counter, notes)),
    notes: [...notes],
  };
}

/** Updates and samples of a whole run over so many questions. */
function workOf({ train }: Config, questions: number | undefined) {
  if (questions === undefined) return undefined;
  const batches = train.dropLast ? Math.floor(questions / train.batch) : Math.ceil(questions / train.batch);
  return {
    steps: train.epochs * Math.ceil(batches / train.accumulate),
    samples: train.epochs * Math.min(questions, batches * train.batch),
  };
}

/** Counts questions and clips, reading each file once. */
class QuestionCounter {
  private readonly files = new Map<string, Promise<Sample[] | undefined>>();

  constructor(
    private readonly otherwise: number | undefined,
    private readonly notes: Set<string>,
  ) {}

  /** Questions that a run trains on: of its annotation file, else as published or as told. */
  async trained(config: Config): Promise<number | undefined> {
    const { data } = config;
    const samples = data.train ? await this.read(config, data.train) : undefined;
    const { trainQuestions, title } = datasetOf(data.dataset);
    const count = samples?.length ?? this.otherwise ?? trainQuestions;
    if (count === undefined) return undefined;
    if (samples) this.notes.add(`${count} training questions in ${data.train}`);
    else
      this.notes.add(
        `${count} training questions (${this.otherwise === undefined ? `as published with ${title}` : 'of the world to be made'})`,
      );
    // In one task, questions without the reasoning that it starts with are left out.
    if (config.train.mode !== 'stl' || !trainsReasoning(config)) return count;
    const file = data.reasoning;
    if (samples && file && (await isFile(file)))
      return selectReasoning((await joinReasoning(samples, file)).samples, config).length;
    this.notes.add('STL with reasoning leaves out questions without it: steps and hours are at most these');
    return count;
  }

  /** Different clips of a run's training and validation files; undefined when one is missing. */
  async clips(config: Config): Promise<Set<string> | undefined> {
    const clips = new Set<string>();
    for (const file of [config.data.train, config.data.val]) {
      if (!file) continue;
      const samples = await this.read(config, file);
      if (!samples) return undefined;
      for (const { video, start, end } of samples) clips.add(JSON.stringify([video, start, end]));
    }
    return clips;
  }

  private read({ data: { dataset } }: Config, file: string): Promise<Sample[] | undefined> {
    const key = JSON.stringify([dataset, file]);
    const found =
      this.files.get(key) ??
      isFile(file).then(async (there) =>
        there ? (await readAnnotations({ dataset, file })).samples : undefined,
      );
    this.files.set(key, found);
    return found;
  }
}

interface Rates {
  /** Samples a second on a base model; NaN where it is unknown. */
  rateOf: (base: string) => number;
  from: string;
}

/** The median rate of finished trials of this sweep and those beside it, of the same base model and engine. */
async function rates(
  { folder, trials }: Pick<Sweep, 'folder' | 'trials'>,
  { samplesPerSecond, engine = 'auto' }: EstimateOptions,
): Promise<Rates> {
  const bases = new Set(trials.map(({ config }) => config.model.base));
  const finished = (await finishedAround(folder)).filter(
    ({ base, engine: ran }) => bases.has(base) && (engine === 'auto' || ran === engine),
  );
  const engines = [...new Set(finished.map((each) => each.engine))].join(', ');
  const measured = `median of ${finished.length} finished trial${finished.length > 1 ? 's' : ''} on ${engines}`;
  const told = samplesPerSecond === undefined ? [] : ['--samples-per-second'];
  const isMeasured = [...bases].every((base) => finished.some((each) => each.base === base));
  const sources = [...(finished.length > 0 ? [measured] : []), ...(isMeasured ? [] : told)];
  return {
    rateOf: (base) => {
      const own = finished.filter((each) => each.base === base).map(({ rate }) => rate);
      return own.sort((a, b) => a - b)[own.length >> 1] ?? samplesPerSecond ?? Number.NaN;
    },
    from:
      isMeasured || told.length > 0
        ? sources.join(' and ')
        : 'unknown until a trial has run, or --samples-per-second N says it',
  };
}

async function finishedAround(folder: string): Promise<{ base: string; engine: string; rate: number }[]> {
  const parent = dirname(folder);
  const found: { base: string; engine: string; rate: number }[] = [];
  for (const name of (await readdir(parent).catch(() => [])).sort()) {
    const other = join(parent, name);
    const sweep = (await isSweep(other)) ? await readSweep(other).catch(() => undefined) : undefined;
    // A trial that was finished elsewhere is counted there.
    const own = sweep?.trials.filter(({ from }) => from === undefined) ?? [];
    for (const { result, trial } of await Promise.all(own.map(trialState)))
      if (result && result.samplesPerSecond > 0)
        found.push({
          base: trial.config.model.base,
          engine: result.engine.name,
          rate: result.samplesPerSecond,
        });
  }
  return found;
}

async function diskOf(
  left: readonly PlannedTrial[],
  counter: QuestionCounter,
  notes: Set<string>,
): Promise<Pick<Estimate, 'checkpointBytes' | 'featureBytes'>> {
  const sizes = new Map<string, ReturnType<typeof studentSize>>();
  let checkpointBytes: number | undefined = 0;
  const stores = new Map<string, number>();
  let featuresKnown = true;
  for (const { config, folder } of left) {
    const key = JSON.stringify(config.model);
    sizes.set(key, sizes.get(key) ?? studentSize(config.model));
    const size = await sizes.get(key);
    if (!size) {
      notes.add(`${config.model.base}: no config.json there, so sizes are unknown`);
      return { checkpointBytes: undefined, featureBytes: config.features.cache ? undefined : 0 };
    }
    const bytes = size.trainable * BYTES_PER_TRAINABLE + size.adapter * BYTES_PER_ADAPTER;
    checkpointBytes += bytes * CHECKPOINTS;
    if (!config.features.cache) continue;
    const clips = (await counter.clips(config))?.size ?? (await counter.trained(config));
    const { sampling, frames: shown } = config.video;
    const frames = sampling === 'random' ? config.features.frames : shown;
    const bytesPerFeature = config.features.dtype === 'bf16' ? 2 : 4;
    const features = (clips ?? 0) * frames * size.featuresPerFrame * bytesPerFeature;
    if (clips === undefined) featuresKnown = false;
    stores.set(config.features.folder ?? dirname(folder), features);
  }
  const featureBytes = featuresKnown ? [...stores.values()].reduce((a, b) => a + b, 0) : undefined;
  return { checkpointBytes, featureBytes };
}

/** The estimate for a terminal, a line each. */
export function describeEstimate(estimate: Estimate): string[] {
  const { trials, done, steps, hours, samplesPerSecond, rateFrom, checkpointBytes, featureBytes } = estimate;
  const { samples, notes } = estimate;
  const whole = (value: number | undefined) => value?.toLocaleString('en') ?? 'unknown';
  const rate = samplesPerSecond ? `${samplesPerSecond.toFixed(1)} samples/s, ${rateFrom}` : rateFrom;
  return [
    `trials  ${trials}, of which ${done} are done`,
    `steps   ${whole(steps)}${samples === undefined ? '' : ` (${whole(samples)} samples)`}`,
    `hours   ${hours === undefined ? '' : `${hours.toFixed(hours < 10 ? 2 : 0)} of training, without evaluations (`}${rate}${hours === undefined ? '' : ')'}`,
    `disk    ${gigabytes(checkpointBytes)} of checkpoints${featureBytes === 0 ? '' : `, ${gigabytes(featureBytes)} of kept features`}`,
    ...notes,
  ];
}

const gigabytes = (bytes: number | undefined) =>
  bytes === undefined ? 'an unknown amount' : `${(bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 0)} GB`;
