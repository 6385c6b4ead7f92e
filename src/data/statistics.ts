/** Statistics of annotation files, gathered sample by sample in memory that does not grow with their length. */
import type { DatasetRecord } from './datasets/index.js';
import { hasTruth, type Sample, taskOf } from './sample.js';
import { TextIndex } from './textIndex.js';

/** Types that are counted one by one; a file of users' own may name any. */
const MAX_TYPES = 1000;

/** Lengths of a sample's texts in one unit; every option has its own. */
export interface Lengths {
  question: number;
  options: readonly number[];
  prompt: number;
  reasoning?: number;
}

/** Spread of the lengths of one kind of text. */
export interface Spread {
  count: number;
  mean: number;
  median: number;
  /** 95 of 100 are no longer. */
  p95: number;
  max: number;
}

export interface Statistics {
  dataset: string;
  samples: number;
  videos: number;
  /** Samples whose id an earlier sample has, in files that were counted together. */
  repeatedIds: number;
  /** Samples of each task. */
  tasks: Record<string, number>;
  /** Questions of each type, in the dataset's order; then those of other types. */
  types: Record<string, number>;
  /** Questions of each group of types, as accuracies are reported. */
  groups: Record<string, number>;
  /** Questions with options, by their number. */
  options: Record<string, number>;
  /** Questions by the position of the right option, from 0; empty in a blind split. */
  answers: number[];
  withoutAnswer: number;
  /** True spans, and reference captions, of all samples. */
  spans: number;
  captions: number;
  /** Questions about a part of their video. */
  clips: number;
  reasoning: number;
  lengths: { question: Spread; option: Spread; prompt: Spread; reasoning?: Spread };
}

export class StatisticsCounter {
  private samples = 0;
  private repeatedIds = 0;
  private withoutAnswer = 0;
  private spans = 0;
  private captions = 0;
  private clips = 0;
  private reasoning = 0;
  private readonly videos = new TextIndex();
  private readonly ids: TextIndex | undefined;
  private readonly types = new Map<string, number>();
  private readonly tasks = new Map<string, number>();
  private readonly options = new Map<number, number>();
  private readonly answers: number[] = [];
  private readonly lengths = {
    question: new Histogram(),
    option: new Histogram(),
    prompt: new Histogram(),
    reasoning: new Histogram(),
  };

  /** @param several files are counted together; a single one has no id twice, which its reader sees to */
  constructor(
    private readonly record: DatasetRecord,
    several: boolean,
  ) {
    if (several) this.ids = new TextIndex();
    for (const type of record.types) this.types.set(type, 0);
  }

  add(sample: Sample, lengths: Lengths): void {
    const { id, video, type, options, answer, start, end, reasoning } = sample;
    this.samples++;
    if (this.ids?.add(id) !== undefined) this.repeatedIds++;
    this.videos.add(video);
    increase(this.types, this.types.has(type) || this.types.size < MAX_TYPES ? type : 'other types');
    increase(this.tasks, taskOf(sample));
    if (options.length > 0) increase(this.options, options.length);
    if (!hasTruth(sample)) this.withoutAnswer++;
    this.spans += sample.spans?.length ?? 0;
    this.captions += sample.captions?.length ?? 0;
    if (answer !== undefined) {
      while (this.answers.length < options.length) this.answers.push(0);
      this.answers[answer]!++;
    }
    if (start !== undefined || end !== undefined) this.clips++;
    if (reasoning !== undefined) this.reasoning++;
    this.lengths.question.add(lengths.question);
    for (const length of lengths.options) this.lengths.option.add(length);
    this.lengths.prompt.add(lengths.prompt);
    if (lengths.reasoning !== undefined) this.lengths.reasoning.add(lengths.reasoning);
  }

  result(): Statistics {
    const { record, types, lengths } = this;
    const { groups, countsAs = {} } = record;
    const ofGroup = (members: readonly string[]) =>
      [...types].reduce(
        (sum, [type, count]) => sum + (members.includes(countsAs[type] ?? type) ? count : 0),
        0,
      );
    const reasoning = lengths.reasoning.spread();
    return {
      dataset: record.name,
      samples: this.samples,
      videos: this.videos.size,
      repeatedIds: this.repeatedIds,
      tasks: Object.fromEntries(this.tasks),
      types: Object.fromEntries(types),
      groups: Object.fromEntries(Object.entries(groups).map(([name, members]) => [name, ofGroup(members)])),
      options: Object.fromEntries([...this.options].sort(([a], [b]) => a - b)),
      answers: this.answers,
      withoutAnswer: this.withoutAnswer,
      spans: this.spans,
      captions: this.captions,
      clips: this.clips,
      reasoning: this.reasoning,
      lengths: {
        question: lengths.question.spread(),
        option: lengths.option.spread(),
        prompt: lengths.prompt.spread(),
        ...(reasoning.count > 0 ? { reasoning } : {}),
      },
    };
  }
}

/** How often each length occurs. */
class Histogram {
  private readonly counts = new Map<number, number>();

  add(length: number): void {
    increase(this.counts, length);
  }

  spread(): Spread {
    const sorted = [...this.counts].sort(([a], [b]) => a - b);
    const count = sorted.reduce((sum, [, n]) => sum + n, 0);
    const total = sorted.reduce((sum, [length, n]) => sum + length * n, 0);
    /** The least length that a fraction of all does not exceed. */
    const quantile = (fraction: number) => {
      let seen = 0;
      for (const [length, n] of sorted) {
        seen += n;
        if (seen >= fraction * count) return length;
      }
      return 0;
    };
    return {
      count,
      mean: count === 0 ? 0 : total / count,
      median: quantile(0.5),
      p95: quantile(0.95),
      max: sorted.at(-1)?.[0] ?? 0,
    };
  }
}

function increase<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
