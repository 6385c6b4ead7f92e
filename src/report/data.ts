import type { TeacherFrames } from '../reasoning/images.js';
import type { RefinedPart } from '../reasoning/refine.js';

/** Everything a report shows. Texts are plain text; whatever they hold is escaped when the page is made. */
export interface ReportData {
  title: string;
  /** Two or three sentences: what was run and what came out. */
  summary: string;
  /** Engine, machine, time, cost, seeds, commit: shown in this order. */
  setup: { label: string; value: string }[];
  accuracy: AccuracyTable;
  plots: Plot[];
  examples: Example[];
  /** Remarks under the tables, one paragraph each. */
  notes?: string[];
}

/** A fraction in [0, 1], how many questions it is over, and its standard error if known. */
export interface AccuracyCell {
  accuracy: number;
  n: number;
  standardError?: number;
}

/** A difference of two accuracies, as a fraction. */
export interface DifferenceCell {
  difference: number;
  standardError?: number;
}

export interface AccuracyTable {
  caption: string;
  /** Column names; the last is the total. */
  groups: string[];
  /** One row a model, e.g. `beta 0` and `beta 0.8`; null where a group has no questions. */
  rows: { name: string; cells: (AccuracyCell | null)[] }[];
  /** The second row less the first, or whatever its name says. */
  gain?: { name: string; cells: (DifferenceCell | null)[] };
}

export interface Plot {
  title: string;
  xLabel: string;
  yLabel: string;
  /** The y values are fractions, shown in percent. */
  percent?: boolean;
  series: Series[];
}

export interface Series {
  name: string;
  /** (x, y) in the order of x; a y that is not finite breaks the line. */
  points: (readonly [number, number])[];
}

/** One question as the models saw it. */
export interface Example {
  id: string;
  type: string;
  question: string;
  options: string[];
  /** Ground truth, 0-based, or null. */
  answer: number | null;
  frames: TeacherFrames & { timestamps?: ArrayLike<number> };
  /** What each model chose, in the order of training, e.g. before and after; null is no answer. */
  answers: { name: string; predicted: number | null }[];
  /** The teacher's text, cut into what refinement kept and removed. */
  teacher?: { name: string; predicted: number | null; parts: RefinedPart[] };
  /** Reasoning that a student wrote itself. */
  generated?: { name: string; text: string }[];
}
