/**
 * What a trained student writes about questions itself. It is kept in the run folder as reasoning.jsonl, so that only the
 * first report over a run computes it.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { isHeld } from '../base/lock.js';
import { bestOf } from '../training/run/folder.js';
import type { Run } from './runs.js';
import type { Asked, Written } from './writeOwn.js';

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
    // Opening a checkpoint sweeps away one that is half written.
    if (await isHeld(run.paths.folder)) throw new DataError('another process is training in it');
    const { writeOwn } = await import('./writeOwn.js');
    await startEngine();
    kept.push(...(await writeOwn(run, missing, onNotice)));
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
