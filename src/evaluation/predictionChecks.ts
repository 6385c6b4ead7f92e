/** Compares predictions with the samples they are for. */
import { DataError } from '../base/errors.js';
import { type Sample, type Task, taskOf } from '../data/sample.js';
import { some } from './score.js';
import type { TaskPrediction } from './taskScore.js';

/** @throws DataError when entries name samples that the annotations do not have */
export function refuseUnknown(
  file: string,
  annotations: string,
  entries: readonly { id: string }[],
  samples: readonly Sample[],
): void {
  const known = new Set(samples.map(({ id }) => id));
  const extra = entries.filter(({ id }) => !known.has(id)).map(({ id }) => id);
  if (extra.length > 0)
    throw new DataError(
      `${file}: ${extra.length} ids that ${annotations} does not have: ${some(extra)}; is it the right split?`,
    );
}

/** What a task's predictions hold. */
const KINDS: Record<Task, readonly (keyof TaskPrediction)[]> = {
  choice: ['prediction'],
  open: ['text'],
  caption: ['text'],
  ground: ['span'],
  'grounded-choice': ['span', 'prediction'],
};

/** @throws DataError for a prediction that its sample's task cannot use, or an option that is not there */
export function checkKinds(
  file: string,
  samples: readonly Sample[],
  given: ReadonlyMap<string, TaskPrediction>,
): void {
  for (const sample of samples) {
    const own = given.get(sample.id);
    if (!own || Object.keys(own).length === 0) continue;
    const task = taskOf(sample);
    if (!KINDS[task].some((key) => own[key] !== undefined))
      throw new DataError(
        `${file}: ${sample.id}: expected ${KINDS[task].join(' or ')} (its task is ${task}), got ${Object.keys(own).join(', ')}`,
      );
    const last = sample.options.length - 1;
    const { prediction } = own;
    if (prediction !== undefined && (prediction < 0 || prediction > last))
      throw new DataError(`${file}: ${sample.id}.prediction: expected 0 to ${last}, got ${prediction}`);
  }
}

/** Predictions that are scored as they are, and that a person may want to know of. */
export function oddities(
  samples: readonly Pick<Sample, 'id' | 'duration'>[],
  given: ReadonlyMap<string, TaskPrediction>,
): string[] {
  const found: Record<string, string[]> = {};
  for (const { id, duration = Number.POSITIVE_INFINITY } of samples) {
    const { span, text } = given.get(id) ?? {};
    const add = (what: string) => {
      found[what] ??= [];
      found[what].push(id);
    };
    if (text !== undefined && text.trim() === '') add('empty texts, which are wrong');
    if (span === undefined) continue;
    if (span[1] < span[0]) add('reversed spans, which count as 0');
    else if (span[1] === span[0]) add('spans without length, whose IoU is 0');
    if (Math.min(...span) < 0) add('spans that begin before 0, scored as they are');
    if (Math.max(...span) > duration) add('spans beyond the video, scored as they are');
  }
  return Object.entries(found).map(([what, ids]) => `${ids.length} ${what}: ${some(ids)}`);
}
