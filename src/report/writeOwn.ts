/** Lets a run's student write its own reasoning; in a file of its own, since it loads all that computes. */
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import { writeReasoning } from '../evaluation/evaluate.js';
import { openTrained } from '../training/trained.js';
import { openBuilder, type Trial } from '../training/trial.js';
import type { Run } from './runs.js';

/** A question and where its video lies. */
export interface Asked {
  sample: Sample;
  path: string;
}

/** One line of reasoning.jsonl. */
export interface Written {
  id: string;
  /** Optimizer step of the checkpoint that wrote it. */
  step: number;
  text: string;
}

/** @returns a line for every question whose video can be read */
export async function writeOwn(
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
