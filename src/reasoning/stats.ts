/** What is in a file of model-written reasoning: accuracy by type, classes, lengths, and what refinement removes. */
import { Interrupted } from '../base/errors.js';
import { explainRow } from './explain.js';
import { GRADE_CLASSES, type GradeClass } from './grade.js';
import { type GradedText, gradedTexts } from './gradeFile.js';

/** Rows by class, and their accuracy. */
export interface ClassCounts extends Record<GradeClass, number> {
  rows: number;
  /** correct / rows whose true answer is known, ungradable ones included (the paper's Table 4); null without any. */
  accuracy: number | null;
}

/** Lengths of texts; quantiles are of the nearest rank. */
export interface Lengths {
  mean: number;
  p5: number;
  median: number;
  p95: number;
  max: number;
}

export interface ReasoningStats {
  all: ClassCounts;
  /** By question type, in alphabetical order; empty when no type is known. */
  types: Record<string, ClassCounts>;
  /** Rows by the rule that read them, most frequent first. */
  rules: Record<string, number>;
  /** What lengths are counted in. */
  unit: 'words' | 'tokens';
  /** Lengths of the texts as written and as refined. */
  lengths: { written: Lengths; refined: Lengths };
  /** Texts of which refinement leaves nothing. */
  emptied: number;
  /** Removals by rule, most frequent first. */
  removed: Record<string, number>;
  /** How removed sentences begin, most frequent first; an option's letter is written as an underscore. */
  phrases: { words: string; times: number }[];
}

export interface StatsRequest {
  /** Types by id, for files whose rows name none. */
  types?: ReadonlyMap<string, string>;
  /** Counts a text's tokens; words are counted without it. */
  tokensOf?: (text: string) => number;
  /** Phrases listed; default 20. */
  phrases?: number;
  onTorn: (notice: string) => void;
  /** Called with the number of rows so far. */
  onRow?: (rows: number) => void;
  signal?: AbortSignal;
}

/**
 * Counts a file in one pass; memory grows by two numbers a row.
 *
 * @throws DataError as {@link gradedTexts}
 */
export async function reasoningStats(file: string, request: StatsRequest): Promise<ReasoningStats> {
  const { types, tokensOf, onTorn, onRow, signal } = request;
  const lengthOf = tokensOf ?? wordsIn;
  const all = new Counter();
  const byType = new Map<string, Counter>();
  const rules = new Map<string, number>();
  const removed = new Map<string, number>();
  const phrases = new Phrases();
  const written: number[] = [];
  const refined: number[] = [];
  let emptied = 0;
  for await (const graded of gradedTexts(file, onTorn)) {
    if (signal?.aborted) throw new Interrupted('stopped before all rows were counted');
    const { row, grade } = graded;
    all.add(graded);
    const type = row.type || types?.get(String(row.id));
    if (type) counterOf(byType, type).add(graded);
    add(rules, grade.rule);
    const explained = explainRow(graded);
    written.push(lengthOf(row.text ?? ''));
    refined.push(lengthOf(explained.refined));
    if (explained.refined === '' && row.text) emptied++;
    for (const { text, removedBy } of explained.parts) {
      if (!removedBy) continue;
      add(removed, removedBy);
      phrases.add(text);
    }
    onRow?.(written.length);
  }
  return {
    all: all.counts(),
    types: Object.fromEntries([...byType].sort().map(([type, counter]) => [type, counter.counts()])),
    rules: byFrequency(rules),
    unit: tokensOf ? 'tokens' : 'words',
    lengths: { written: lengthsOf(written), refined: lengthsOf(refined) },
    emptied,
    removed: byFrequency(removed),
    phrases: phrases.most(request.phrases ?? 20),
  };
}

class Counter {
  private readonly classes = Object.fromEntries(GRADE_CLASSES.map((name) => [name, 0])) as Record<
    GradeClass,
    number
  >;
  private rows = 0;
  private known = 0;

  add({ row, grade }: GradedText): void {
    this.rows++;
    this.classes[grade.class]++;
    if (row.answer !== null && !row.caption) this.known++;
  }

  counts(): ClassCounts {
    const { rows, known, classes } = this;
    return { rows, ...classes, accuracy: known === 0 ? null : classes.correct / known };
  }
}

function counterOf(counters: Map<string, Counter>, name: string): Counter {
  const found = counters.get(name) ?? new Counter();
  counters.set(name, found);
  return found;
}

const add = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);

const byFrequency = (counts: ReadonlyMap<string, number>) =>
  Object.fromEntries([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));

const wordsIn = (text: string) => text.match(/\S+/g)?.length ?? 0;

function lengthsOf(lengths: number[]): Lengths {
  const sorted = Float64Array.from(lengths).sort();
  const quantile = (q: number) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
  const mean = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length);
  return { mean, p5: quantile(0.05), median: quantile(0.5), p95: quantile(0.95), max: quantile(1) };
}

/** Words at the beginning of a removed sentence that make its phrase. */
const PHRASE_WORDS = 6;
/** Phrases kept at once; those seen once go when there are more. */
const MOST_PHRASES = 100_000;

class Phrases {
  private readonly counts = new Map<string, number>();

  add(sentence: string): void {
    const words = sentence
      .replace(/[^\p{L}\p{M}\p{N}'’#*\s]+/gu, ' ')
      .replace(/(?<![\p{L}\p{N}'’])[B-Z](?![\p{L}\p{N}'’])|(?<=[Oo]ption |[Ii]s )A(?![\p{L}\p{N}])/gu, '_')
      .replace(/[#*]+/g, ' ')
      .toLowerCase()
      .trim()
      .split(/\s+/)
      .slice(0, PHRASE_WORDS)
      .join(' ');
    if (words === '') return;
    add(this.counts, words);
    if (this.counts.size <= MOST_PHRASES) return;
    for (const [phrase, times] of this.counts) if (times === 1) this.counts.delete(phrase);
  }

  most(count: number): { words: string; times: number }[] {
    return Object.entries(byFrequency(this.counts))
      .slice(0, count)
      .map(([words, times]) => ({ words, times }));
  }
}
