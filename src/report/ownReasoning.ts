/**
 * What a trained student writes about questions itself. It is kept in the run folder as reasoning.jsonl, so that only the
 * first report over a run computes it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../base/files.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { writeReasoning } from '../evaluation/evaluate.js';
import { bestOf } from '../training/run/folder.js';
import { openTrained } from '../training/trained.js';
import { openBuilder, type Trial } from '../training/trial.js';
import type { Run } from './runs.js';

/** A question and where its video lies. */
export interface Asked {
  sample: Sample;
  path: string;
}

/** One line of reasoning.jsonl. */
interface Written {
  id: string;
  /** Optimizer step of the checkpoint that wrote it. */
  step: number;
  text: string;
}

/**
 * The student's own reasoning about questions, by id; as long as what it was trained to write may be (text.maxReasoning).
 * Questions whose video cannot be read are left out.
 *
 * @param startEngine called when anything has to be computed
 * @throws DataError for weights or a checkpoint that are not there, EngineError for an engine that cannot be used
 */
export async function ownReasoning(
  run: Run,
  questions: readonly Asked[],
  startEngine: () => Promise<unknown>,
  onNotice: (line: string) => void,
): Promise<Map<string, string>> {
  const file = join(run.paths.folder, 'reasoning.jsonl');
  const step = run.result?.bestStep ?? bestOf(run.evaluations)?.step;
  const kept = (await readWritten(file)).filter((line) => line.step === step);
  const known = new Set(kept.map(({ id }) => id));
  const missing = questions.filter(({ sample }) => !known.has(sample.id));
  if (missing.length > 0) {
    await startEngine();
    kept.push(...(await write(run, missing, onNotice)));
    const lines = kept.map((line) => `${JSON.stringify(line)}\n`);
    await writeFileAtomic(file, lines.join('')).catch((error) =>
      onNotice(`${error.message}; the next report computes the student's reasoning again`),
    );
  }
  return new Map(kept.map(({ id, text }) => [id, text]));
}

/** Lines that are whole: what is damaged is written again. */
async function readWritten(file: string): Promise<Written[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      const { id, step, text: written } = JSON.parse(line);
      return typeof id === 'string' && typeof written === 'string' ? [{ id, step, text: written }] : [];
    } catch {
      return [];
    }
  });
}

async function write(
  { paths, config }: Run,
  questions: readonly Asked[],
  onNotice: (line: string) => void,
): Promise<Written[]> {
  const lenient: Config = { ...config, data: { ...config.data, onBadVideo: 'skip' } };
  const { trial, step } = await openTrained(paths, lenient);
  try {
    const written: Written[] = [];
    for (let at = 0; at < questions.length; at += config.eval.batch) {
      const batch = questions.slice(at, at + config.eval.batch);
      const texts = await writeBatch(trial, lenient, paths.folder, batch, onNotice);
      written.push(...texts.map(({ id, text }) => ({ id, step, text })));
    }
    return written;
  } finally {
    trial.dispose();
  }
}

async function writeBatch(
  trial: Trial,
  config: Config,
  runFolder: string,
  questions: readonly Asked[],
  onNotice: (line: string) => void,
): Promise<{ id: string; text: string }[]> {
  const samples = questions.map(({ sample }) => sample);
  const paths = new Map(questions.map(({ sample, path }) => [sample.video, path]));
  const options = { runFolder, onWarning: onNotice, training: false };
  const builder = openBuilder(trial, config, { paths }, options);
  return writeReasoning({ ...trial, builder }, samples, config.text.maxReasoning);
}
