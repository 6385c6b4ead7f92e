/** What a reward is: a number for what a student wrote about a sample. */
import type { Sample } from '../data/sample.js';

/** What a student wrote, and what it did on the way. */
export interface Completion {
  sample: Sample;
  text: string;
  /** Calls of a tool that were carried out; absent where no tool was offered. */
  calls?: number;
}

/**
 * Null where the reward does not apply: the sample has no truth of that kind, or a judge could not be asked. Such a reward is
 * left out of sums and means; it is never a 0. A text that can be judged gets a number, whatever is in it: an empty or
 * broken one gets 0.
 */
export type RewardValue = number | null;

export interface Reward {
  /** Largest value. */
  readonly highest: number;
  of(completion: Completion): RewardValue | Promise<RewardValue>;
}

/** Settings of a recipe that rewards read. */
export interface RewardSettings {
  /** Answers stand between `<answer>` and `</answer>`, and a text without them has none; else the whole text is the answer. */
  tagged: boolean;
  /** IoU that is worth 0, and IoU that is worth 1 (VITAL: 0.2 and 0.8, for long videos 0 and 0.5). */
  iouRange: readonly [number, number];
  /** A large model as judge; rules judge without one. */
  judge?: JudgeSettings | undefined;
}

export interface JudgeSettings {
  /** Base URL of an OpenAI-compatible server, with `/v1`. */
  url: string;
  model: string;
  /** An answer that takes longer, in milliseconds, does not apply; 30 s unless given. */
  totalMs?: number;
  /** Hears once about the first failure. */
  onNotice?: (line: string) => void;
}
