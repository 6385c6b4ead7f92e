/**
 * The data of the built-in world: clips and questions, a teacher that errs writing reasoning over HTTP, and its refinement.
 * Every stage is the code that real data runs through, and continues where an earlier call stopped.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError, stopIfAborted, UsageError } from '../base/errors.js';
import { isFile } from '../base/files.js';
import { createProgress, say } from '../base/progress.js';
import { isRecord } from '../base/values.js';
import { readSplit } from '../batches/split.js';
import type { Config } from '../config/schema.js';
import { jsonl } from '../data/datasets/jsonl.js';
import { openTeacher } from '../reasoning/client.js';
import { generateReasoning } from '../reasoning/generate.js';
import { type RefineStats, refineFile } from '../reasoning/refineFile.js';
import { makeShapes, type ShapesSummary, WORLD_VERSION } from '../shapes/dataset.js';
import { BEATS } from '../shapes/scene.js';
import type { ShapesTask } from '../shapes/tasks/rows.js';
import { startTeacher } from '../shapes/teacherServer.js';
import { readFrames } from '../video/frames.js';

/** Seed of worlds that recipes ask for. */
export const WORLD_SEED = 'shapes';

/** Frames the teacher is shown (paper, section 4.1: N = 4). */
const TEACHER_FRAMES = 4;

export interface WorldFolder {
  folder: string;
  /** Of the world and of where the teacher errs. */
  seed: string;
  signal: AbortSignal;
}

/** The files of a world, in one folder. */
export const worldFiles = (folder: string) => ({
  videos: join(folder, 'videos'),
  train: join(folder, 'train.csv'),
  val: join(folder, 'val.csv'),
  test: join(folder, 'test.csv'),
  /** The teacher's own texts. */
  generated: join(folder, 'generated.jsonl'),
  refined: join(folder, 'refined.jsonl'),
});

export interface WorldSize {
  /** To train on. */
  clips: number;
  /** To validate, and as many to test: 2,000 questions each unless given. */
  others?: number | undefined;
  /** Shares of questions that further teachers answer wrongly. */
  teachers?: readonly number[] | undefined;
  /** Policies of refinement beside `paper`, each of which writes a file of its own. */
  policies?: readonly string[] | undefined;
  /** Tasks of JSON lines that are written beside the csv. */
  tasks?: readonly ShapesTask[] | undefined;
  /** Questions of a task about a clip, at most; four unless given. */
  questions?: number | undefined;
  /** Of a clip; 16 frames and 4 beats unless given. */
  frames?: number | undefined;
  beats?: number | undefined;
}

/** Clips to validate, with four questions each. */
const OTHERS = 500;
/** Questions about a clip. */
const QUESTIONS = 4;
/** Frames of a clip. */
const FRAMES = 16;

/** Writes clips and questions. @throws Interrupted when the signal fires, after the next clip */
export async function makeClips(
  { folder, seed, signal }: WorldFolder,
  size: WorldSize,
): Promise<ShapesSummary> {
  const { clips, others = OTHERS, tasks, frames, beats, questions: questionsPerClip } = size;
  const progress = createProgress({ label: '  clips', unit: 'clips' });
  const onProgress = (done: number) => {
    progress.tick(done);
    stopIfAborted(signal, folder);
  };
  const summary = await makeShapes({
    ...{ out: folder, seed, train: clips, val: others, test: others, onProgress },
    ...(tasks && { tasks }),
    ...(questionsPerClip !== undefined && { questionsPerClip }),
    ...(frames !== undefined && { frames }),
    ...(beats !== undefined && { beats }),
  }).finally(() => progress.done());
  const { questions, clips: made, samples } = summary;
  if (summary.reused) return summary;
  const counts = samples ? Object.values(samples) : [questions];
  const asked = (split: 'train' | 'val') => counts.reduce((sum, of) => sum + of[split], 0);
  say(
    `  ${asked('train')} training and ${asked('val')} validation ${samples ? 'samples' : 'questions'} about ${made.train + made.val} clips`,
  );
  return summary;
}

/** Another teacher than the world's own: where its texts go, and how it differs. */
export interface OtherTeacher {
  out: string;
  /** Share of questions it answers wrongly. */
  errorRate?: number;
  /** Of where it errs, and of its wording. */
  seed?: string;
}

/**
 * Lets a teacher write reasoning for every training question: the world's own unless another is given.
 *
 * @param config of any recipe on this world's files
 */
export async function teach(
  config: Config,
  { folder, seed, signal }: WorldFolder,
  other?: OtherTeacher,
): Promise<void> {
  const csv = { ...config.data, dataset: 'shapes', addPunctuation: false } as const;
  const withoutReasoning: Config = { ...config, data: csv };
  delete withoutReasoning.data.reasoning;
  const { samples, paths } = await readSplit(withoutReasoning, worldFiles(folder).train, false);
  const { out, ...differs } = other ?? {};
  const server = await startTeacher({ dataset: folder, seed, ...differs });
  const progress = createProgress({ label: '  teacher', total: samples.length, unit: 'questions' });
  try {
    const client = await openTeacher({ baseUrl: server.url, model: server.model });
    const { judged, correct } = await generateReasoning({
      samples,
      framesOf: ({ id, video }) =>
        readFrames({ path: paths.get(video)!, id, count: TEACHER_FRAMES, mode: 'uniform', signal }),
      frameCount: TEACHER_FRAMES,
      client,
      out: out ?? worldFiles(folder).generated,
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

/** Takes the conclusions out of the teacher's texts, or another teacher's. */
export async function refineWorld(
  folder: string,
  { generated, refined } = worldFiles(folder),
): Promise<RefineStats> {
  const stats = await refineFile({ input: generated, output: refined });
  const sentences = Object.values(stats.removed).reduce((a, b) => a + b, 0);
  const { samples, correct, incorrect, kept } = stats;
  say(
    `  ${sentences} conclusions removed from ${samples} texts (${correct} correct, ${incorrect} incorrect reasoning); ${kept} have steps left`,
  );
  return stats;
}

/** What of all of it is missing. The teacher writes for recipes that read reasoning alone, where there are other tasks. */
async function makeWorld(config: Config, world: WorldFolder, size: WorldSize): Promise<void> {
  await refuseEarlier(world.folder);
  if (size.tasks && config.data.reasoning === undefined) {
    await refuseOther(world, size);
    await makeClips(world, size);
    return;
  }
  if (!(await isFile(worldFiles(world.folder).refined))) await makeOwn(config, world, size);
  for (const errorRate of size.teachers ?? []) {
    const at = (name: string) => join(world.folder, `${name}-${errorRate}.jsonl`);
    const files = { ...worldFiles(world.folder), generated: at('generated'), refined: at('refined') };
    if (await isFile(files.refined)) continue;
    say(`${world.folder}: a teacher that errs about ${Math.round(100 * errorRate)} % of the questions`);
    await teach(config, world, { out: files.generated, errorRate });
    await refineWorld(world.folder, files);
  }
  for (const policy of size.policies ?? []) await refineWorldBy(config, world, policy);
}

/** How many samples `agreement` compares. */
const SAMPLES = 3;

/** The own teacher's texts refined by another policy than `paper`, as refined-POLICY.jsonl. */
async function refineWorldBy(config: Config, world: WorldFolder, policy: string): Promise<void> {
  const { generated } = worldFiles(world.folder);
  const output = join(world.folder, `refined-${policy}.jsonl`);
  if (await isFile(output)) return;
  const input = [generated];
  // The built-in teacher has no temperature: its samples are those of other seeds.
  for (let sample = 2; policy === 'agreement' && sample <= SAMPLES; sample++) {
    const out = join(world.folder, `generated-sample-${sample}.jsonl`);
    say(`${world.folder}: sample ${sample} of the teacher's texts`);
    await teach(config, world, { out, seed: `${world.seed}/sample-${sample}` });
    input.push(out);
  }
  const { samples, kept } = await refineFile({ input, output, policy });
  say(`${world.folder}: refined by ${policy}; ${kept} of ${samples} texts have steps left`);
}

async function makeOwn(config: Config, world: WorldFolder, size: WorldSize): Promise<void> {
  await refuseOther(world, size);
  say(`${world.folder}: writing the shapes world, ${size.clips} training clips`);
  await makeClips(world, size);
  await teach(config, world);
  await refineWorld(world.folder);
}

/** What shapes.json says of a world that lies in a folder. @throws DataError for one that is not of a world */
async function settingsIn(folder: string): Promise<ShapesSettings | undefined> {
  const text = await readFile(join(folder, 'shapes.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const settings = writtenSettings(text);
  if (settings) return settings;
  throw new DataError(
    `${join(folder, 'shapes.json')}: does not describe a shapes world; remove this file to have the world written again, or use another folder`,
  );
}

function writtenSettings(text: string): ShapesSettings | undefined {
  try {
    const { settings } = JSON.parse(text);
    return isRecord(settings) ? (settings as unknown as ShapesSettings) : undefined;
  } catch {
    return undefined;
  }
}

interface ShapesSettings {
  version: number;
  seed: string;
  train: number;
  val: number;
  questionsPerClip: number;
  frames: number;
  beats?: number;
  tasks?: readonly string[];
}

/** A world of an earlier version has questions and events that the base model was not made for. @throws DataError */
async function refuseEarlier(folder: string): Promise<void> {
  const settings = await settingsIn(folder);
  if (settings === undefined || settings.version === WORLD_VERSION) return;
  throw new DataError(
    `${folder}: holds a shapes world of version ${settings.version}, this program has version ${WORLD_VERSION}; remove the folder or use another`,
  );
}

/** Making this world would replace the clips of another one. @throws DataError */
async function refuseOther(
  { folder, seed }: WorldFolder,
  { clips, others = OTHERS, tasks, questions = QUESTIONS, frames = FRAMES, beats = BEATS }: WorldSize,
): Promise<void> {
  const settings = await settingsIn(folder);
  if (settings === undefined) return;
  const wanted = [seed, clips, others, questions, frames, beats, tasks?.join()];
  const length = [settings.frames, settings.beats ?? BEATS];
  const written = [settings.seed, settings.train, settings.val, settings.questionsPerClip, ...length];
  if (JSON.stringify([...written, settings.tasks?.join()]) === JSON.stringify(wanted)) return;
  const of = `seed ${settings.seed}, ${settings.train} training clips, ${settings.val} to validate, ${settings.questionsPerClip} questions a clip, ${length.join(' frames and ')} beats, tasks ${settings.tasks?.join(', ') ?? 'choice'}`;
  throw new DataError(
    tasks
      ? `${folder}: holds another shapes world (${of}); remove the folder or use another`
      : `${folder}: holds another shapes world (${of}) without ${basename(worldFiles(folder).refined)}; write that with reasvqa generate and refine, or use another folder`,
  );
}

/**
 * The world's data where a recipe's files are to be: the csv, or the JSON lines of its tasks.
 *
 * @throws UsageError for another dataset's recipe
 */
export async function makeWorldOf(config: Config, size: WorldSize, signal: AbortSignal): Promise<void> {
  const { dataset, train, reasoning } = config.data;
  const readsLines = dataset === jsonl.name && size.tasks !== undefined;
  if (!(dataset === 'shapes' || readsLines) || !train)
    throw new UsageError(
      `sweep.world: makes data of the shapes world (data.dataset shapes; with sweep.world.tasks also jsonl), and data.dataset is ${dataset}`,
    );
  const folder = dirname(train);
  const { train: csv, refined } = worldFiles(folder);
  const ownTrain = readsLines ? join(folder, 'train.jsonl') : csv;
  if (train !== ownTrain || (reasoning !== undefined && dirname(reasoning) !== folder))
    throw new UsageError(
      `sweep.world: writes ${ownTrain} and ${refined}; data.train is ${train}, data.reasoning ${reasoning ?? 'not set'}`,
    );
  await makeWorld(config, { folder, seed: WORLD_SEED, signal }, size);
}
