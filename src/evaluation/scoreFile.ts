/** Scores a file of predictions for samples of any task, by the rules of the tasks or of the dataset's own script. */
import { UsageError } from '../base/errors.js';
import { readAnnotations } from '../data/annotations.js';
import { datasetOf } from '../data/datasets/index.js';
import { type Sample, taskOf } from '../data/sample.js';
import { readTextFile } from '../data/textFile.js';
import type { WordNet } from './metrics/wordnet.js';
import { officialGrounded } from './official/grounded.js';
import { officialMoments } from './official/moments.js';
import { officialWups } from './official/wups.js';
import { checkKinds, oddities, refuseUnknown } from './predictionChecks.js';
import { isLines, predictionsOf, readEntries } from './predictionFile.js';
import { scoredAs } from './rules.js';
import { formatScore, readSubset, type ScoreResult, scorePredictions } from './score.js';
import type { TaskScoreRequest, TaskScoreResult } from './scoreRequest.js';
import { scoreTasks, type TaskPrediction, type TaskScore } from './taskScore.js';

export { formatScore };

/**
 * Scores a prediction file. An official file of choices gives accuracies by type; everything else the metrics of its tasks, where a
 * sample without a prediction counts as wrong and is told apart, but NExT-GQA's script passes it over.
 *
 * @throws DataError for ids that the annotations do not have or that are there twice, for a prediction of another kind than its
 *   task asks for, and for a blind annotation file; UsageError for options that the dataset does not have
 */
export async function scoreFile(request: TaskScoreRequest): Promise<ScoreResult | TaskScoreResult> {
  const { dataset, annotations, predictions, subset, spansFile } = request;
  const { scoring } = datasetOf(dataset);
  if (scoring !== 'grounded-choice' && (request.qa !== undefined || request.fractions))
    throw new UsageError(
      `--dataset ${dataset}: --qa and --fractions belong to questions with a choice and a span`,
    );
  const text = await readTextFile(predictions);
  if (scoring === 'grounded-choice') return officialGrounded(request, text);
  const mended: string[] = [];
  const { samples } = await readAnnotations({
    dataset,
    file: annotations,
    ...(spansFile === undefined ? {} : { spansFile }),
    onWarning: ({ line }) => mended.push(`${line}`),
  });
  if (samples.every((sample) => taskOf(sample) === 'choice') && /^\s*\{/.test(text) && !isLines(text))
    return scorePredictions(request);
  const rows = subset === undefined ? undefined : await readSubset(subset, samples.length, annotations);
  const chosen = rows ? rows.map((row) => samples[row]!) : samples;
  const notices =
    mended.length === 0
      ? []
      : [`${mended.length} spans of ${annotations} are cut or left out, as loaders do`];
  if (scoring === 'moments') return officialMoments(request, text, samples, chosen);
  const entries = await readEntries(predictions, text);
  refuseUnknown(predictions, annotations, entries, samples);
  const given = predictionsOf(predictions, entries);
  checkKinds(predictions, chosen, given);
  notices.push(...oddities(chosen, given));
  const wordnet = await wordnetOf(request);
  if (scoring === 'wups') return officialWups(dataset, chosen, given, wordnet, notices);
  const tasks = scoreTasks(chosen, given);
  if (tasks.open && wordnet) await addWups(tasks.open, chosen, given, wordnet);
  return { dataset, tasks, notices };
}

async function wordnetOf({ wordnet }: TaskScoreRequest): Promise<WordNet | undefined> {
  if (wordnet === undefined) return undefined;
  const { WordNet } = await import('./metrics/wordnet.js');
  return WordNet.load(wordnet);
}

async function addWups(
  score: TaskScore,
  samples: readonly Sample[],
  given: ReadonlyMap<string, TaskPrediction>,
  wordnet: WordNet,
): Promise<void> {
  const { scoreWups } = await import('./metrics/wups.js');
  const items = samples
    .filter((sample) => scoredAs(sample) === 'open')
    .map(({ id, type, answers = [] }) => ({ type, answers, text: given.get(id)?.text ?? '' }));
  Object.assign(score.metrics, scoreWups(items, wordnet));
}

/** For programs: metrics of each task below `tasks`, and of a file of one task at the top as well. */
export function scoreJson({ dataset, tasks, notices }: TaskScoreResult): Record<string, unknown> {
  const flat = Object.entries(tasks).map(
    ([task, { metrics, ...rest }]) => [task, { ...metrics, ...rest }] as const,
  );
  const top = flat.length === 1 ? flat[0]![1] : {};
  return { dataset, ...top, tasks: Object.fromEntries(flat), notices };
}

/** For people: a block for each task, a metric a line. */
export function formatTaskScores({ tasks }: TaskScoreResult): string {
  return Object.entries(tasks)
    .map(([task, { count, missing, metrics, types = {}, groups = {} }]) => {
      const rows = Object.entries({ ...metrics, ...types, ...groups });
      const width = Math.max(...rows.map(([name]) => name.length));
      const head = `${task}: ${count} samples${missing > 0 ? `, ${missing} without a prediction` : ''}`;
      return [
        head,
        ...rows.map(([name, value]) => `${name.padEnd(width)}  ${value.toFixed(2).padStart(7)}`),
      ].join('\n');
    })
    .join('\n\n');
}
