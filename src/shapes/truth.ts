/** How much of reasoning about the shapes world is true, before and after refinement, in right and wrong chains. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type BootstrapOptions, bootstrap } from '../base/bootstrap.js';
import { DataError, messageOf } from '../base/errors.js';
import { readAnnotations } from '../data/annotations.js';
import { shown } from '../data/problems.js';
import type { Sample } from '../data/sample.js';
import { readJsonLines } from '../reasoning/jsonl.js';
import { paperRow } from '../reasoning/policies/paper.js';
import { isCaption } from '../reasoning/prompt.js';
import { segment } from '../reasoning/sentences.js';
import { type EventsLine, SPLITS } from './dataset.js';
import { type ClipFacts, factsOf } from './language.js';
import { beatOfFrame, fourFrames } from './render.js';
import { clausesOf, type StepContext } from './stepTruth.js';

export interface TruthRequest {
  /** Folder that makeShapes wrote. */
  world: string;
  /** JSON lines with id and `reasoning` (or `text`): of generate, of refine, or of a student's predictions. */
  files: readonly string[];
}

export type Chains = 'correct' | 'incorrect' | 'unknown';

/** Steps of some chains, read one by one. */
export interface TruthCount {
  file: string;
  stage: 'before' | 'after';
  /** Whether the chain's answer is right. */
  answer: Chains;
  chains: number;
  /** Steps whose statements all hold, steps with one that does not, and texts that are no step of a known form. */
  true: number;
  false: number;
  unread: number;
  /** true / (true + false) with its 95 % interval over steps; null without a step. */
  share: { rate: number; low: number; high: number } | null;
  /** Chains with a step that was read, all of whose read steps are true. */
  wholly: number;
}

/**
 * Counts the true steps of each file, before and after the policy `paper`; of a file that `refine` wrote, after it alone.
 *
 * @throws DataError naming file:line for a line that is malformed or of an id that the world does not have, and for a
 *   folder that holds no complete world
 */
export async function truthOfFiles({ world, files }: TruthRequest): Promise<TruthCount[]> {
  const known = await readWorld(world);
  const counts: TruthCount[] = [];
  for (const file of files) counts.push(...(await truthOfFile(file, world, known)));
  return counts;
}

interface Known {
  facts: ReadonlyMap<string, ClipFacts>;
  samples: ReadonlyMap<string, Sample>;
}

async function readWorld(folder: string): Promise<Known> {
  let lines: EventsLine[];
  try {
    const text = await readFile(join(folder, 'events.jsonl'), 'utf8');
    lines = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as EventsLine);
  } catch (error) {
    throw new DataError(
      `${folder}: holds no complete shapes world (${messageOf(error)}); make it with reasvqa shapes make`,
      { cause: error },
    );
  }
  const samples = new Map<string, Sample>();
  for (const split of SPLITS) {
    const file = join(folder, `${split}.csv`);
    // A split without questions has a header alone.
    if ((await readFile(file, 'utf8').catch(() => '')).trim().split('\n').length < 2) continue;
    for (const sample of (await readAnnotations({ dataset: 'shapes', file })).samples)
      samples.set(sample.id, sample);
  }
  return { facts: new Map(lines.map(({ video, clip }) => [video, factsOf(clip)])), samples };
}

/** One chain of steps as it lies in a file. */
interface ChainRow {
  sample: Sample;
  facts: ClipFacts;
  text: string;
  predicted: number | null;
  correct: boolean | null;
  beats: readonly number[];
  caption: boolean;
  /** The line is one of `refine`, so its text is what was left. */
  refined: boolean;
}

async function truthOfFile(file: string, world: string, known: Known): Promise<TruthCount[]> {
  const tallies = new Map<string, Tally>();
  const seen = new Set<string>();
  for await (const { value, line } of readJsonLines(file)) {
    const row = chainOf(value, `${file}:${line}`, world, known);
    if (seen.has(row.sample.id)) throw new DataError(`${file}:${line}: id "${row.sample.id}" appears twice`);
    seen.add(row.sample.id);
    const answer = row.correct === null ? 'unknown' : row.correct ? 'correct' : 'incorrect';
    for (const stage of row.refined ? (['after'] as const) : (['before', 'after'] as const)) {
      const key = `${stage}/${answer}`;
      const tally = tallies.get(key) ?? new Tally(basename(file), stage, answer);
      tallies.set(key, tally);
      tally.add(stage === 'before' || row.refined ? row.text : refined(row), row);
    }
  }
  if (seen.size === 0) throw new DataError(`${file}:1: expected at least one line of reasoning, found none`);
  return (['before', 'after'] as const).flatMap((stage) =>
    (['correct', 'incorrect', 'unknown'] as const).flatMap(
      (answer) => tallies.get(`${stage}/${answer}`)?.count() ?? [],
    ),
  );
}

function refined({ sample, text, predicted, correct, caption }: ChainRow): string {
  const { id, question, options, answer = null } = sample;
  const row = { id, question, options, reasoning: text, predicted, answer, correct };
  return paperRow({ ...row, ...(caption ? { caption } : {}) }, {}).refined;
}

function chainOf(value: Record<string, unknown>, place: string, world: string, known: Known): ChainRow {
  const wrong = (field: string, expected: string): never => {
    throw new DataError(`${place}: field "${field}": expected ${expected}, found ${shown(value[field])}`);
  };
  const sample = known.samples.get(String(value.id)) ?? wrong('id', `an id of the world ${world}`);
  const facts = known.facts.get(sample.video) ?? wrong('id', `a clip of ${world}/events.jsonl`);
  const text = value.reasoning ?? value.text ?? '';
  if (typeof text !== 'string') return wrong('reasoning' in value ? 'reasoning' : 'text', 'text');
  if (value.reasoning === undefined && value.text === undefined) wrong('reasoning', 'text');
  const given = value.predicted ?? value.prediction ?? null;
  const answer = sample.answer ?? null;
  // A refined line tells no option; without one, refining it again would take the true answer's words out.
  const told = value.correct === true ? answer : null;
  const predicted = typeof given === 'number' && given in sample.options ? given : told;
  const judged = predicted !== null && answer !== null ? predicted === answer : null;
  const correct = typeof value.correct === 'boolean' ? value.correct : judged;
  const caption = isCaption(value.settings);
  const beats = beatsOf(value.frames, facts, wrong);
  return { sample, facts, text, predicted, correct, beats, caption, refined: Array.isArray(value.removed) };
}

/** The beats of the frames that a line names; four frames unless it does. */
function beatsOf(
  frames: unknown,
  { clip }: ClipFacts,
  wrong: (field: string, expected: string) => never,
): readonly number[] {
  if (frames === undefined || frames === null) return fourFrames(clip);
  const fits = (frame: unknown): frame is number =>
    Number.isInteger(frame) && (frame as number) >= 0 && (frame as number) < clip.frames;
  if (!Array.isArray(frames) || !frames.every(fits))
    return wrong('frames', `a list of frame numbers below ${clip.frames}`);
  return frames.map((frame) => beatOfFrame(clip.frames, frame, clip.beats));
}

const RESAMPLES: BootstrapOptions = { resamples: 2000, seed: 'truth' };

class Tally {
  private readonly verdicts: number[] = [];
  private readonly counts: Pick<TruthCount, 'chains' | 'unread' | 'wholly'> = {
    chains: 0,
    unread: 0,
    wholly: 0,
  };

  constructor(
    private readonly file: string,
    private readonly stage: TruthCount['stage'],
    private readonly answer: Chains,
  ) {}

  add(text: string, { facts, sample, beats }: ChainRow): void {
    const context: StepContext = { facts, question: sample.question.replace(/\?$/, ''), beats };
    const read = segment(text).map(({ start, end }) => clausesOf(text.slice(start, end), context));
    const steps = read.flatMap((clauses) => (clauses ? [clauses.every(({ holds }) => holds)] : []));
    this.counts.chains++;
    this.counts.unread += read.length - steps.length;
    if (steps.length > 0 && steps.every(Boolean)) this.counts.wholly++;
    for (const holds of steps) this.verdicts.push(Number(holds));
  }

  count(): TruthCount {
    const right = this.verdicts.reduce((sum, verdict) => sum + verdict, 0);
    const found = this.verdicts.length > 0 ? bootstrap(Int32Array.from(this.verdicts), RESAMPLES) : undefined;
    return {
      ...{ file: this.file, stage: this.stage, answer: this.answer },
      ...this.counts,
      true: right,
      false: this.verdicts.length - right,
      share: found ? { rate: found.mean, low: found.low, high: found.high } : null,
    };
  }
}
