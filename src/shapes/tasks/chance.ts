/** What is reached without a look at the clip: by one answer to all questions, and by one answer to each wording. */
import { groupBy } from '../../base/groups.js';
import type { Sample, Span } from '../../data/sample.js';
import { darkScore } from '../score.js';
import type { ShapesTask, TaskRow } from './rows.js';

/** Percent that blind answers reach, each the best there is for these very samples: an upper bound. */
export interface ChanceLevel {
  task: ShapesTask;
  samples: number;
  measure: 'accuracy' | 'mIoU' | 'score';
  /** The same answer to every question; of options a guess. */
  constant: number;
  /** The same answer to every question of a wording, whatever its objects and directions. */
  byWording: number;
}

/** The chance levels of a task's samples; none of captions, and none without samples. */
export function chanceOf(task: ShapesTask, rows: readonly TaskRow[]): ChanceLevel[] {
  if (rows.length === 0 || task === 'caption') return [];
  const samples = rows.map(({ sample }) => sample);
  const groups = [...groupBy(rows, ({ kind }) => kind).values()].map((own) =>
    own.map(({ sample }) => sample),
  );
  const level = (measure: ChanceLevel['measure'], best: (of: readonly Sample[]) => number): ChanceLevel => ({
    ...{ task, samples: samples.length, measure },
    constant: percent(best(samples) / samples.length),
    byWording: percent(sum(groups.map(best)) / samples.length),
  });
  const guess = { constant: percent(sum(samples.map(({ options }) => 1 / options.length)) / samples.length) };
  switch (task) {
    case 'choice':
      return [{ ...level('accuracy', bestOption), ...guess }];
    case 'grounded-choice':
      return [{ ...level('accuracy', bestOption), ...guess }, level('mIoU', bestSpan)];
    case 'ground':
      return [level('mIoU', bestSpan)];
    case 'dark':
      return [level('score', bestTale)];
    default:
      return [level('accuracy', bestText)];
  }
}

const percent = (share: number) => Math.round(share * 1e4) / 100;
const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** Samples whose right option the most frequent right one is. */
function bestOption(samples: readonly Sample[]): number {
  return mostFrequent(samples.map(({ options, answer }) => [options[answer!]!]));
}

/** Samples that the text answers which is accepted most often. */
function bestText(samples: readonly Sample[]): number {
  return mostFrequent(samples.map(({ answers }) => answers!));
}

function mostFrequent(lists: readonly (readonly string[])[]): number {
  const counts = new Map<string, number>();
  for (const text of lists.flatMap((list) => [...new Set(list)]))
    counts.set(text, (counts.get(text) ?? 0) + 1);
  return Math.max(...counts.values());
}

/** Tales that are tried as an answer to all: the most frequent ones. */
const TRIED = 20;

/** The sum of scores, of 1 at most, of the best of the most frequent tales. */
function bestTale(samples: readonly Sample[]): number {
  const truths = samples.map(({ answers }) => answers![0]!);
  const tales = [...groupBy(truths, (truth) => truth)].sort(([, a], [, b]) => b.length - a.length);
  return Math.max(
    ...tales.slice(0, TRIED).map(([tale]) => sum(truths.map((truth) => darkScore(tale, truth) / 2))),
  );
}

/** The sum of the overlaps with the best span that begins as one sample's does and ends as another's. */
function bestSpan(samples: readonly Sample[]): number {
  const truths = samples.map(({ spans }) => spans![0]!);
  const starts = [...new Set(truths.map(([start]) => start))];
  const ends = [...new Set(truths.map(([, end]) => end))];
  const spans = starts.flatMap((start) => ends.flatMap((end): Span[] => (end > start ? [[start, end]] : [])));
  return Math.max(...spans.map((span) => sum(truths.map((truth) => overlap(span, truth)))));
}

/** Intersection over union of two spans. */
function overlap([start, end]: Span, [from, to]: Span): number {
  const shared = Math.max(0, Math.min(end, to) - Math.max(start, from));
  return shared / (end - start + (to - from) - shared);
}
