/** What a policy of refinement is: a rule that decides which of a teacher's text a student learns to write. */
import type { RefinedPart, Removal } from '../cutting.js';
import { Cutting, type Refined, spacesBeside } from '../cutting.js';
import type { GeneratedText } from '../generated.js';
import type { Pattern } from '../patterns.js';
import { segment } from '../sentences.js';

/** What refinement of one text knows. */
export interface RefineSettings {
  question?: string;
  options: readonly string[];
  /** Ground truth, 0-based; null when unknown. */
  answer: number | null;
  /** Whether the teacher's answer was right. Only `false` makes the ground truth's words go. */
  correct: boolean | null;
  /** The teacher's answer as `predictedAnswer` read it; when undefined, the answer that the text states explicitly. */
  predicted?: number | null;
  /** Default {@link PAPER_PATTERNS}. */
  patterns?: readonly Pattern[];
  /**
   * What "words that contain the ground truth" means for Incorrect Reasoning: `phrase` (default), the option's whole
   * text, with its article and plural, and its letter ("option A", "(A)"); `words`, also each of its content words;
   * `keep`, nothing. A longer option or name of a place that holds these words is another thing and stays: "top" is not
   * taken out of "top left". An answer of common words alone ("no") goes only where it stands by itself.
   */
  groundTruth?: 'phrase' | 'words' | 'keep';
}

/** Settings of all policies; each reads its own. */
export interface PolicySettings {
  /** `paper`, and what builds on it. */
  patterns?: readonly Pattern[];
  groundTruth?: RefineSettings['groundTruth'];
  /** `first-n`: sentences kept. */
  sentences?: number;
  /** `entailment`: folder or Hugging Face id of the model. */
  model?: string;
  /** `entailment`: least probability of a relation, 0 to 1. */
  threshold?: number;
  /** `agreement`: share of a step's words that the other sample's sentence holds, 0 to 1. */
  overlap?: number;
  /** `agreement`: how many samples have to hold a step, its own among them. */
  votes?: number;
}

/** A refined text, and the row that it came from. */
export interface PolicyText extends RefineResult {
  row: GeneratedText;
}

/** One text as a file of refined reasoning holds it, and the teacher's own cut into what was kept and removed. */
export interface RefineResult {
  reasoning: string;
  removed: string[];
  counts: Record<string, number>;
  parts: RefinedPart[];
}

/** A policy with its settings, ready to refine. */
export interface Policy {
  /** Whether all rows of one id come together; else an id has one row. */
  byId?: boolean;
  /** One text for each group of rows of an id, in order. */
  refine(groups: readonly (readonly GeneratedText[])[]): PolicyText[] | Promise<PolicyText[]>;
}

/** A policy as its file describes it. */
export interface PolicyRecord {
  name: string;
  /** One line for help. */
  summary: string;
  /** @throws UsageError for a setting that it needs and does not have */
  open(settings: PolicySettings): Policy | Promise<Policy>;
}

/** A policy that refines each row by itself. */
export function rowByRow(refine: (row: GeneratedText) => RefineResult): Policy {
  return { refine: (groups) => groups.map(([row]) => ({ row: row!, ...refine(row!) })) };
}

export function resultOf({ refined, removed, counts, parts }: Refined): RefineResult {
  return { reasoning: refined, removed, counts, parts };
}

/** Removes sentences with the white space beside them. `by` names the rule that removes a sentence, if one does. */
export function dropSentences(
  text: string,
  by: (sentence: string, i: number) => string | undefined,
): Removal[] {
  const units = segment(text);
  const reasons = units.map(({ start, end }, i) => by(text.slice(start, end), i));
  if (reasons.every((reason) => reason === undefined)) return [];
  const removals = units.flatMap(({ start, end }, i): Removal[] => {
    const reason = reasons[i];
    return reason === undefined ? [] : [{ start, end, by: reason }];
  });
  removals.push(...spacesBeside(text, units, (i) => reasons[i] !== undefined));
  return removals.sort((a, b) => a.start - b.start);
}

/** Removes more of a text that was refined already. */
export function cutFurther(before: Refined, removals: readonly Removal[]): Refined {
  if (removals.length === 0) return before;
  const cutting = new Cutting(before.parts);
  cutting.remove(removals);
  return cutting.result();
}
