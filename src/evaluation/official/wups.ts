/** NExT-OE's scores, by the rules of its script (eval_oe.py): WUPS by question type and group, beside exact accuracy. */
import { datasetOf } from '../../data/datasets/index.js';
import type { Sample } from '../../data/sample.js';
import type { WordNet } from '../metrics/wordnet.js';
import { Wups } from '../metrics/wups.js';
import type { TaskScoreResult } from '../scoreRequest.js';
import { scoreTasks, type TaskPrediction, type TaskScore } from '../taskScore.js';

/**
 * Scores free answers. Without WordNet there are accuracies alone, and a notice.
 *
 * @throws DataError for a sample without answers
 */
export function officialWups(
  dataset: string,
  samples: readonly Sample[],
  given: ReadonlyMap<string, TaskPrediction>,
  wordnet: WordNet | undefined,
  notices: readonly string[],
): TaskScoreResult {
  const { open } = scoreTasks(samples, given);
  if (!open) return { dataset, tasks: {}, notices: [...notices] };
  if (!wordnet)
    return {
      dataset,
      tasks: { open },
      notices: [...notices, 'WUPS needs --wordnet, the folder of WordNet 3.0 (nltk has 3.0) or 3.1'],
    };
  const told = wordnet.hasExceptions
    ? []
    : ['WordNet has no lists of irregular forms (*.exc) here: "ran" is not "run"'];
  return {
    dataset,
    tasks: { open: withWups(dataset, samples, given, wordnet, open) },
    notices: [...notices, ...told],
  };
}

function withWups(
  dataset: string,
  samples: readonly Sample[],
  given: ReadonlyMap<string, TaskPrediction>,
  wordnet: WordNet,
  { count, missing, metrics }: TaskScore,
): TaskScore {
  const wups = new Wups(wordnet);
  const { types, countsAs = {}, groups } = datasetOf(dataset);
  const scored = samples.map(({ id, type, answers = [] }) => {
    const item = { type, answers, text: given.get(id)?.text ?? '' };
    return { type: countsAs[type] ?? type, at0: wups.score(item, 0), at9: wups.score(item, 0.9) };
  });
  const mean = (values: readonly number[]) =>
    (100 * values.reduce((sum, value) => sum + value, 0)) / values.length;
  const of = (members: readonly string[]) =>
    scored.filter(({ type }) => members.includes(type)).map(({ at0 }) => at0);
  const means = (sets: readonly (readonly [string, readonly string[]])[]) =>
    Object.fromEntries(
      sets
        .map(([name, members]) => [name, of(members)] as const)
        .filter(([, own]) => own.length > 0)
        .map(([name, own]) => [name, mean(own)]),
    );
  return {
    count,
    missing,
    metrics: {
      'WUPS@0': mean(scored.map(({ at0 }) => at0)),
      'WUPS@0.9': mean(scored.map(({ at9 }) => at9)),
      ...metrics,
    },
    types: means([...new Set(types.map((type) => countsAs[type] ?? type))].map((type) => [type, [type]])),
    groups: means(Object.entries(groups)),
  };
}
