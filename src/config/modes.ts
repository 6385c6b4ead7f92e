/** The values of `train.mode` and `eval.mode`. */

/** How an answer is found (src/evaluation/modes.ts). */
export const ANSWER_MODES = ['answer', 'answer-then-reason', 'reason-then-answer', 'two-stage'] as const;
export type AnswerMode = (typeof ANSWER_MODES)[number];

/** Names of objectives (src/training/objectives), which register themselves. */
const modes = new Set(['mtl', 'stl']);

/** Makes a name known to recipes. */
export function registerMode(name: string): void {
  modes.add(name);
}

export const trainingModes = (): string[] => [...modes];
