/** What a rule finds in a text: an option, or what stands in its place, and where. */

export type Stated =
  | 'field'
  | 'boxed'
  | 'header'
  | 'phrase'
  | 'conclusion'
  | 'list'
  | 'line'
  | 'pointer'
  | 'leaning'
  | 'mention'
  | 'worded';

/** Why no option is read: the rules of src/reasoning/README.md. */
export type Unread =
  /** The text holds no letter or digit. */
  | 'empty'
  /** All of it is thinking that never ends in an answer. */
  | 'thinking'
  /** "None of these", "it cannot be determined". */
  | 'refusal'
  /** "A or B", "both A and C", two letters of equal rank. */
  | 'several'
  /** A letter or number that no option has. */
  | 'beyond'
  /** No rule finds an option. */
  | 'silent';

export type Rule = Stated | Unread;

/** An option, or what stands in its place. */
export type Named = number | 'several' | 'beyond' | 'refusal';

export interface Candidate {
  /** Place in the plain text, behind the cue. */
  at: number;
  index: Named;
  stated: Stated;
}

export const last = (found: Candidate[]): Candidate | undefined =>
  found.length === 0 ? undefined : found.reduce((best, next) => (next.at >= best.at ? next : best));

/** The one that all of them name. */
export const agreed = (found: readonly Named[]): Named =>
  found.every((one) => one === found[0]) ? (found[0] as Named) : 'several';
