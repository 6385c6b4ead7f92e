/**
 * How often a reader of the text alone recovers the teacher's answer, or the true one: the measure of what refinement
 * leaves of the conclusion. Readers see the question, its options and the text, never the video.
 */
import { bootstrap, type Resampled } from '../../base/bootstrap.js';
import { groupBy } from '../../base/groups.js';
import { Rng } from '../../base/random.js';
import type { GeneratedText } from '../generated.js';
import { trainClassifier } from './classifier.js';
import { type Features, featuresOf } from './features.js';
import { otherTexts } from './otherTexts.js';
import { ruleScores } from './rule.js';

export interface LeakRow extends GeneratedText {
  /** Whose questions are never divided between training and test. */
  video: string;
  /** The kind of question, as the row names it; else its first word. */
  kind: string;
}

/** Texts of the rows under a name: a policy, or a file. A row without a text has an empty one. */
export interface LeakTexts {
  name: string;
  /** By id. */
  texts: ReadonlyMap<string, string>;
}

export const TARGETS = ['teacher', 'truth'] as const;
/** What a reader looks for: the teacher's answer, or the true one. */
export type Target = (typeof TARGETS)[number];

/** The share of answers recovered, with its 95 % interval over questions. */
export type Rate = Pick<Resampled, 'low' | 'high'> & { rate: number; questions: number };

/** Rates by target; null where no row has such an answer, or rows are too few to train. */
export type Rates = Record<Target, Rate | null>;

export interface Leak {
  rows: number;
  videos: number;
  /** The mean of 1 / options. */
  chance: number;
  /** The trained reader without any text. */
  questionAlone: Rates;
  texts: {
    name: string;
    characters: number;
    empty: number;
    rule: Rates;
    classifier: Rates;
    /**
     * The control: the trained reader where every question has the text of another one of its kind ({@link otherTexts}). What
     * it recovers comes from the question and from what all texts share, not from the text about this question.
     */
    control: Rates;
  }[];
  /** What could not be measured, one line each. */
  notes: string[];
}

/** Every row is tested by a reader that was trained on the other folds. */
const FOLDS = 3;
/** Fewer rows with an answer teach a reader nothing. */
export const FEWEST_ROWS = 60;
/** Fewer videos leave a fold without its own. */
export const FEWEST_VIDEOS = 2 * FOLDS;

/** Measures texts of the same rows side by side; the same `seed` gives the same numbers on every machine. */
export function leakOf(rows: readonly LeakRow[], texts: readonly LeakTexts[], seed = '0'): Leak {
  const folds = foldsOf(rows, seed);
  const notes: string[] = [];
  const answered = (target: Target) => rows.filter((row) => answerOf(row, target) !== null);
  for (const target of TARGETS) {
    const { length } = answered(target);
    const videos = new Set(answered(target).map(({ video }) => video)).size;
    const what = target === 'teacher' ? "the teacher's answer" : 'the true answer';
    if (length === 0) notes.push(`no row has ${what}: it cannot be looked for`);
    else if (length < FEWEST_ROWS || videos < FEWEST_VIDEOS)
      notes.push(
        `${length} rows of ${videos} videos have ${what}: too few to train a reader, which takes ${FEWEST_ROWS} rows of ${FEWEST_VIDEOS} videos`,
      );
  }
  const trained = (textOf: (row: LeakRow) => string) => {
    const known = new Map<string, Features[]>();
    // Reading a text takes longer than training on it, and both targets are looked for in the same one.
    const features = (row: LeakRow) => {
      const found = known.get(row.id) ?? featuresOf(row, textOf(row));
      known.set(row.id, found);
      return found;
    };
    return byTarget((target) => trainedRate(answered(target), target, features, folds, seed));
  };
  const partner = otherTexts(rows, seed);
  return {
    rows: rows.length,
    videos: new Set(rows.map(({ video }) => video)).size,
    chance: chanceOf(rows),
    questionAlone: trained(() => ''),
    texts: texts.map(({ name, texts: own }) => {
      const textOf = ({ id }: GeneratedText) => own.get(id) ?? '';
      return {
        name,
        characters: rows.reduce((sum, row) => sum + textOf(row).length, 0) / rows.length,
        empty: rows.filter((row) => textOf(row).trim() === '').length,
        rule: ruleRates(rows, textOf, seed),
        classifier: trained(textOf),
        control: trained(({ id }) => own.get(partner.get(id)!) ?? ''),
      };
    }),
    notes,
  };
}

/** How often a draw among the options is right. */
export function chanceOf(rows: readonly GeneratedText[]): number {
  return rows.reduce((sum, { options }) => sum + 1 / options.length, 0) / rows.length;
}

/** The rates of the reader by rule on the texts of `rows`. */
export function ruleRates(
  rows: readonly GeneratedText[],
  textOf: (row: GeneratedText) => string,
  seed = '0',
): Rates {
  const scores = new Map(rows.map((row) => [row.id, ruleScores(textOf(row), row.options)]));
  return byTarget((target) => {
    const answered = rows.filter((row) => answerOf(row, target) !== null);
    return rateOf(answered, target, ({ id }) => scores.get(id)!, `rule/${seed}`);
  });
}

const byTarget = (rate: (target: Target) => Rate | null): Rates => ({
  teacher: rate('teacher'),
  truth: rate('truth'),
});

const answerOf = (row: GeneratedText, target: Target) => (target === 'teacher' ? row.predicted : row.answer);

/** The fold of every video. */
function foldsOf(rows: readonly LeakRow[], seed: string): Map<string, number> {
  const videos = [...groupBy(rows, ({ video }) => video).keys()].sort();
  return new Map(new Rng(`leak/folds/${seed}`).shuffle(videos).map((video, i) => [video, i % FOLDS]));
}

function trainedRate(
  rows: readonly LeakRow[],
  target: Target,
  features: (row: LeakRow) => Features[],
  folds: ReadonlyMap<string, number>,
  seed: string,
): Rate | null {
  if (rows.length < FEWEST_ROWS || new Set(rows.map(({ video }) => video)).size < FEWEST_VIDEOS) return null;
  const examples = rows.map((row) => ({
    id: row.id,
    fold: folds.get(row.video)!,
    options: features(row),
    answer: answerOf(row, target)!,
  }));
  const scores = new Map<string, number[]>();
  for (let fold = 0; fold < FOLDS; fold++) {
    const read = trainClassifier(
      examples.filter((example) => example.fold !== fold),
      `${seed}/${fold}`,
    );
    for (const { id, fold: own, options } of examples) if (own === fold) scores.set(id, read(options));
  }
  return rateOf(rows, target, (row) => scores.get(row.id)!, `classifier/${seed}`);
}

/** Of options with the same score one is drawn. */
function rateOf<R extends GeneratedText>(
  rows: readonly R[],
  target: Target,
  scoresOf: (row: R) => readonly number[],
  seed: string,
): Rate | null {
  if (rows.length === 0) return null;
  const right = Int32Array.from(rows, (row) => {
    const scores = scoresOf(row);
    const most = Math.max(...scores);
    const best = scores.flatMap((score, i) => (score === most ? [i] : []));
    return Number(new Rng(`leak/tie/${seed}/${row.id}`).pick(best) === answerOf(row, target));
  });
  const { mean, low, high } = bootstrap(right, { resamples: 2000, seed: `leak/${seed}` });
  return { rate: mean, low, high, questions: rows.length };
}
