/**
 * What a survey of the training samples says before the first step: how often a prompt is solved, and which prompts have
 * nothing to teach.
 */
import type { PromptFilter } from '../../../config/modes.js';

/** What became of the completions of one sample. */
export interface Finding {
  id: string;
  /** Whether each completion solves the task; null where no reward of its content applies. Empty for a clip that cannot be read. */
  solved: readonly (boolean | null)[];
  /** Whether each has the form that is rewarded; absent where no form is. */
  formed?: readonly boolean[];
  /** Of a caption: the F1 of the recall and the precision of each completion's events. */
  f1?: readonly number[];
  /** The first completion that has not the form. */
  malformed?: string;
}

/**
 * The probability that one of k completions solves the task, estimated without bias from n of which c do (Chen et al. 2021):
 * 1 - C(n - c, k) / C(n, k).
 *
 * @throws RangeError for k above n
 */
export function passAt(k: number, n: number, c: number): number {
  if (k > n) throw new RangeError(`pass@${k} needs ${k} completions, got ${n}`);
  if (n - c < k) return 1;
  let missed = 1;
  for (let i = 0; i < k; i++) missed *= (n - c - i) / (n - i);
  return 1 - missed;
}

/** Mean of {@link passAt} over the findings, each over what can be judged of it; NaN where fewer than k can. */
export function meanPassAt(k: number, findings: readonly Finding[]): number {
  const values = findings.flatMap(({ solved }) => {
    const known = solved.filter((one) => one !== null);
    return known.length < k ? [] : [passAt(k, known.length, known.filter(Boolean).length)];
  });
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Share of the completions that have the form; NaN where no form is rewarded. */
export function shareFormed(findings: readonly Finding[]): number {
  const formed = findings.flatMap((finding) => finding.formed ?? []);
  return formed.filter(Boolean).length / formed.length;
}

/** Why a prompt is left out. */
export type Reason = 'all right' | 'all wrong' | 'captions alike' | 'not judged';

/** Completions that VersaVid-R1's filter looks at. */
const VERSAVID_DRAWS = 5;

/**
 * Why a filter leaves a prompt out; undefined for one that is kept. `vital` leaves out what all completions solve, or none does.
 * `versavid` looks at the first five: it leaves out what all of them solve, and captions whose F1 differ by less than a
 * variance. Both leave out what cannot be judged.
 *
 * @param variance smallest variance of a caption's F1, with Bessel's correction
 */
export function reasonToDrop(
  { solved, f1 }: Finding,
  filter: PromptFilter,
  variance: number,
): Reason | undefined {
  if (filter === 'none') return undefined;
  const draws = filter === 'versavid' ? VERSAVID_DRAWS : solved.length;
  if (filter === 'versavid' && f1)
    return varianceOf(f1.slice(0, draws)) < variance ? 'captions alike' : undefined;
  const known = solved.slice(0, draws).filter((one) => one !== null);
  if (known.length === 0) return 'not judged';
  if (known.every(Boolean)) return 'all right';
  return filter === 'vital' && !known.some(Boolean) ? 'all wrong' : undefined;
}

function varianceOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}
