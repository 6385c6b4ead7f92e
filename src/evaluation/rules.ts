/** What a sample is scored as: its task, or the rule of its data set, which reads what an open answer states. */
import { shapes } from '../data/datasets/shapes.js';
import { type Sample, type Task, taskOf } from '../data/sample.js';
import { darkScore, mixScore } from '../shapes/score.js';

/** A rule that scores an open answer, from 0 to `highest`. */
interface Rule {
  readonly highest: number;
  of(text: string, answers: readonly string[]): number;
}

/** By the type of a sample of the built-in world (src/shapes/tasks). Films of other videos have no rule: their truth is one wording. */
const RULES = {
  dark: { highest: 2, of: (text, answers) => darkScore(text, answers[0]!) },
  mix: { highest: 1, of: mixScore },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof RULES;
export const RULE_NAMES = Object.keys(RULES) as RuleName[];

/** The name that a sample's score is reported by. */
export type Scored = Task | RuleName;

export function scoredAs(sample: Pick<Sample, 'task' | 'type' | 'dataset'>): Scored {
  const { dataset, type } = sample;
  const hasRule = taskOf(sample) === 'open' && dataset === shapes.name && Object.hasOwn(RULES, type);
  return hasRule ? (type as RuleName) : taskOf(sample);
}

/** Main metric of what a rule scores. */
export const RULE_METRIC = 'score';

/** Percent: the mean of the scores, of the highest one; `full` is the share of answers that reach that, where there are others. */
export function scoreByRule(
  name: RuleName,
  items: readonly { text: string; answers: readonly string[] }[],
): Record<string, number> {
  const { highest, of }: Rule = RULES[name];
  const scores = items.map(({ text, answers }) => of(text, answers));
  const mean = (values: readonly number[]) =>
    (100 * values.reduce((sum, value) => sum + value, 0)) / items.length;
  return {
    [RULE_METRIC]: mean(scores.map((score) => score / highest)),
    ...(highest > 1 && { full: mean(scores.map((score) => Number(score === highest))) }),
  };
}
