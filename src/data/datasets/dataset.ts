/** What a dataset is to the rest of the program, and the datasets that are known. index.ts makes the built-in ones known. */
import { UsageError } from '../../base/errors.js';
import type { ProblemLog } from '../problems.js';
import type { Sample } from '../sample.js';
import type { TextSource } from '../textFile.js';

/** A sample and the 1-based line on which it begins; a reader of whole texts names none. */
export interface Row {
  line?: number;
  sample: Sample;
  /** Columns or keys of the file that no part of a sample comes from. */
  unread?: readonly string[];
}

/** A form of annotation file, as `data convert` writes it: what the dataset's reader gives back as the same samples. */
export interface SampleWriter {
  /** Its name: `csv`. */
  readonly form: string;
  /** Text before the first sample, between two, and behind the last. */
  readonly before: string;
  readonly between: string;
  readonly after: string;
  /** Keys of a sample that the form has no place for. */
  readonly without: readonly (keyof Sample)[];
  /** Whether a sample may keep the name of another dataset. */
  readonly keepsDataset?: boolean;
  /**
   * One sample as text, without those keys.
   *
   * @throws NotWritable when the form cannot hold such a sample
   */
  text(sample: Sample): string;
}

/** A sample that a form cannot hold; the message goes behind the word sample: `with 4 options, where this form has 5`. */
export class NotWritable extends Error {}

/** Everything the program knows about a dataset. It has `read` or `rows`. */
export interface DatasetRecord {
  /** Its name in recipes (`data.dataset`) and for `score --dataset`: one lower-case word. */
  readonly name: string;
  /** What its authors call it. */
  readonly title: string;
  /** Usual names of its annotation files, for messages and documentation. */
  readonly splits: { readonly train?: string; readonly val?: string; readonly test?: string };
  /**
   * Reads the text of an annotation file. Problems go to the log, with their line; sound samples are returned in file
   * order, each with a unique id. A split in which no question has an answer is blind.
   */
  read?(text: string, log: ProblemLog): Sample[] | Promise<Sample[]>;
  /**
   * Reads like {@link read}, which it replaces, in groups of any size, and gives each sample its line. Where it keeps
   * little of what it has read, files may be larger than memory.
   *
   * @param spansFile see {@link readsSpansFile}
   */
  rows?(source: TextSource, log: ProblemLog, spansFile?: string): AsyncIterable<readonly Row[]>;
  /** Whether the true spans are in a file of their own, which may be named. */
  readonly readsSpansFile?: boolean;
  /** The official way of scoring, where it is not that of the samples' tasks (evaluation/official). */
  readonly scoring?: 'grounded-choice' | 'moments' | 'wups';
  /** The forms it can be written in, the usual one first. */
  readonly write?: readonly SampleWriter[];
  /** Questions of the published training split, for estimates without its file. */
  readonly trainQuestions?: number;
  /** Known question types, in the order in which accuracies are reported; empty when any type may occur. */
  readonly types: readonly string[];
  /** Types that are reported as another one. */
  readonly countsAs?: Readonly<Record<string, string>>;
  /** Groups of reported types that the papers' tables have, each with its types; empty when there are none. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
  /** Whether questions lack a `?` and options a `.` that prompts want; `data.addPunctuation` overrides it. */
  readonly addPunctuation: boolean;
  /** Whether a map (`data.map`) may say where the annotated video ids lie. */
  readonly videoMap: boolean;
  /** Whether samples carry their own reasoning, so that training on reasoning needs no `data.reasoning`. */
  readonly ownReasoning: boolean;
  /** Column of its CSV that names the video; it identifies a file that was given to the wrong dataset. */
  readonly videoColumn?: string;
  /** Key of a sample in the official prediction file; the sample's id unless given. */
  predictionKey?(sample: Sample): string;
}

const records = new Map<string, DatasetRecord>();

/**
 * Makes a dataset known: its name becomes a value of `data.dataset` and of `score --dataset`.
 *
 * @throws UsageError when another one has the name
 */
export function registerDataset(record: DatasetRecord): void {
  const { name, title } = record;
  const known = records.get(name);
  if (known && known !== record)
    throw new UsageError(`dataset ${name} (${title}): the name is taken by ${known.title}`);
  records.set(name, record);
}

/** In the order of their registration. */
export function datasetRecords(): DatasetRecord[] {
  return [...records.values()];
}

export function datasetNames(): string[] {
  return [...records.keys()];
}

/** @throws UsageError for a name that is not known */
export function datasetOf(name: string): DatasetRecord {
  const record = records.get(name);
  if (record) return record;
  throw new UsageError(`unknown dataset "${name}": expected one of ${datasetNames().join(', ')}`);
}
