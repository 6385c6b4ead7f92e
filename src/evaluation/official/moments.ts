/** QVHighlights' submissions, by the rules of its script (standalone_eval/eval.py). */
import { DataError } from '../../base/errors.js';
import { readJsonLines } from '../../data/jsonLines.js';
import { ProblemLog, shown } from '../../data/problems.js';
import type { Sample } from '../../data/sample.js';
import { isGiven, textSource } from '../../data/textFile.js';
import { type MomentItem, type ScoredWindow, scoreMoments } from '../metrics/qvhighlights.js';
import { oddities, refuseUnknown } from '../predictionChecks.js';
import { type Entry, readEntries } from '../predictionFile.js';
import type { TaskScoreRequest, TaskScoreResult } from '../scoreRequest.js';

/** Seconds of a clip that is scored as a highlight. */
const CLIP = 2;

type Prediction = Pick<MomentItem, 'predicted' | 'predictedSaliency'>;
type Clips = NonNullable<MomentItem['saliency']>;

/**
 * Scores JSON lines of `qid`, `pred_relevant_windows` of `[start, end, score]`, and `pred_saliency_scores`, one a 2-second clip; an
 * entry `{id, span}` is one window. The official script refuses a missing query, here it counts as 0 and is told apart.
 *
 * @param samples all of the annotations, of which `chosen` are scored
 */
export async function officialMoments(
  { dataset, annotations, predictions }: TaskScoreRequest,
  text: string,
  samples: readonly Sample[],
  chosen: readonly Sample[],
): Promise<TaskScoreResult> {
  const entries = await readEntries(predictions, text);
  refuseUnknown(predictions, annotations, entries, samples);
  const given = new Map(entries.map((entry) => [entry.id, predictionOf(predictions, entry)]));
  const clips = await clipsOf(annotations);
  const items = chosen.map(({ id, spans }): MomentItem => {
    if (!spans) throw new DataError(`sample ${id} has no spans: a blind split cannot be scored here`);
    return { windows: spans, ...given.get(id), saliency: clips.get(id) };
  });
  const first = new Map(
    [...given].flatMap(([id, { predicted }]) => {
      const [window] = predicted ?? [];
      return window ? [[id, { span: [window[0], window[1]] as const }] as const] : [];
    }),
  );
  return { dataset, tasks: { ground: scoreMoments(items) }, notices: oddities(chosen, first) };
}

function predictionOf(file: string, { line, id, values }: Entry): Prediction {
  const { pred_relevant_windows: windows, pred_saliency_scores: scores, span } = values;
  const bad = (key: string, expected: string, got: unknown) =>
    new DataError(`${file}:${line}: ${shown(id)}.${key}: expected ${expected}, got ${shown(got)}`);
  const predicted = isGiven(windows) ? windows : isGiven(span) ? [span] : undefined;
  if (predicted !== undefined && !(Array.isArray(predicted) && predicted.every(isWindow)))
    throw bad(
      isGiven(windows) ? 'pred_relevant_windows' : 'span',
      '[start, end, score] in numbers',
      predicted,
    );
  if (isGiven(scores) && !(Array.isArray(scores) && scores.every((score) => typeof score === 'number')))
    throw bad('pred_saliency_scores', 'a number a clip', scores);
  if (!['pred_relevant_windows', 'pred_saliency_scores', 'span'].some((key) => Object.hasOwn(values, key)))
    throw bad('pred_relevant_windows', 'windows, clip scores or a span', Object.keys(values).join(', '));
  return {
    predicted: predicted?.map(([start, end, score = 0]: ScoredWindow): ScoredWindow => [start, end, score]),
    ...(isGiven(scores) ? { predictedSaliency: scores as number[] } : {}),
  };
}

function isWindow(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    (value.length === 3 || value.length === 2) &&
    value.every((n) => Number.isFinite(n))
  );
}

/** The annotators' scores of every clip, by query; a clip that no window holds has 0 of each. */
async function clipsOf(file: string): Promise<Map<string, Clips>> {
  const clips = new Map<string, Clips>();
  const log = new ProblemLog(file);
  for await (const { line, record } of readJsonLines(await textSource(file), 'query', log)) {
    const { qid, duration, relevant_clip_ids: ids, saliency_scores: scores } = record;
    if (!isGiven(ids) && !isGiven(scores)) continue;
    const count = Math.floor((duration as number) / CLIP);
    const fits = (id: unknown) => Number.isInteger(id) && (id as number) >= 0 && (id as number) < count;
    const isScores = (of: unknown) =>
      Array.isArray(of) && of.length === 3 && of.every((n) => typeof n === 'number');
    if (!Array.isArray(ids) || !ids.every(fits))
      log.add(line, 'relevant_clip_ids', `clips from 0 to ${count - 1}`, shown(ids));
    else if (!Array.isArray(scores) || scores.length !== ids.length || !scores.every(isScores))
      log.add(line, 'saliency_scores', '3 numbers for each of relevant_clip_ids', shown(scores));
    else {
      const own: number[][] = Array.from({ length: count }, () => [0, 0, 0]);
      for (const [i, id] of ids.entries()) own[id as number] = scores[i] as number[];
      clips.set(String(qid), own);
    }
  }
  log.throwIfAny();
  return clips;
}
