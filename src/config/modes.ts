/** The values of `train.mode` and `eval.mode`. */

/** How an answer is found (src/evaluation/modes.ts). */
export const ANSWER_MODES = ['answer', 'answer-then-reason', 'reason-then-answer', 'two-stage'] as const;
export type AnswerMode = (typeof ANSWER_MODES)[number];

/** Who chooses the span that is looked at again (eval.look). */
export const LOOKERS = ['student', 'oracle', 'random'] as const;
export type Looker = (typeof LOOKERS)[number];

/** Names of objectives (src/training/objectives), which register themselves. */
const modes = new Set(['mtl', 'stl', 'rl']);

/** Makes a name known to recipes. */
export function registerMode(name: string): void {
  modes.add(name);
}

/**
 * How the losses of tokens become one number (train.rl.loss): `grpo` takes the mean of each completion and then of the
 * completions, `bnpo` the mean of all tokens, `dr_grpo` divides by the length that completions may have, and `dapo` by the
 * tokens of all batches of an update.
 */
export const LOSS_TYPES = ['grpo', 'bnpo', 'dr_grpo', 'dapo'] as const;
export type LossType = (typeof LOSS_TYPES)[number];

/** What advantages are divided by (train.rl.scaleRewards): the deviation of the group, that of the batch, or nothing. */
export const SCALINGS = ['group', 'batch', 'none'] as const;
export type Scaling = (typeof SCALINGS)[number];

/** Whether the format is a factor on the other rewards or a term beside them (train.rl.format). */
export const FORMAT_RULES = ['multiply', 'add'] as const;
export type FormatRule = (typeof FORMAT_RULES)[number];

/**
 * Prompts that are left out before training by rewards (train.rl.filter): none; those that all completions solve or none does
 * (VITAL); or those that all solve, and captions whose completions are alike (VersaVid-R1).
 */
export const PROMPT_FILTERS = ['none', 'vital', 'versavid'] as const;
export type PromptFilter = (typeof PROMPT_FILTERS)[number];

export const trainingModes = (): string[] => [...modes];
