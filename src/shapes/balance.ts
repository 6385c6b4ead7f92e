/** Chooses questions so that templates, answers and letters are balanced. */
import { Rng } from '../base/random.js';
import { type QuestionType, STILL, type Template } from './candidate.js';
import { askAll, placeAnswer, type ShapesQuestion } from './questions.js';
import { type Clip, DIRECTIONS } from './scene.js';

/** Share of each template among the questions of a dataset; close to NExT-QA's mix of types (causal most). */
const TEMPLATE_SHARE: Readonly<Record<Template, number>> = {
  cause: 14,
  purpose: 10,
  reaction: 8,
  manner: 7,
  'action-after': 10,
  'mover-after': 6,
  'action-while': 6,
  'mover-while': 4,
  'action-before': 5,
  'mover-before': 3,
  place: 9,
  shape: 4,
  background: 1,
  affected: 3,
  'new-colour': 1,
  'at-place': 3,
  count: 3,
  'count-moved': 3,
};

/**
 * Chooses questions clip by clip so that templates keep their shares, answers are equally frequent within a
 * template, and the right option is equally often A to E: then neither the question nor the option texts say which
 * option is right.
 */
export class QuestionBalancer {
  private readonly rng: Rng;
  private readonly chosen = new Map<string, number>();
  private positions: number[] = [];

  constructor(seed: number | string) {
    this.rng = new Rng(seed);
  }

  /** Up to `count` different questions about one clip, options in their final order. */
  choose(clip: Clip, count: number): ShapesQuestion[] {
    const open = this.rng.shuffle(askAll(clip, this.rng));
    const questions: ShapesQuestion[] = [];
    while (questions.length < count && open.length > 0) {
      let best = 0;
      for (let i = 1; i < open.length; i++) if (this.load(open[i]!) < this.load(open[best]!)) best = i;
      const [question] = open.splice(best, 1);
      const key = answerKey(question!);
      this.chosen.set(key, (this.chosen.get(key) ?? 0) + 1);
      questions.push(placeAnswer(question!, this.nextPosition(), this.rng));
    }
    return questions;
  }

  /** Load of this question's answer after it, relative to the answer's share; the least loaded is asked next. */
  private load(question: ShapesQuestion): number {
    return ((this.chosen.get(answerKey(question)) ?? 0) + 1) / answerShare(question);
  }

  private nextPosition(): number {
    if (this.positions.length === 0) this.positions = this.rng.shuffle([0, 1, 2, 3, 4]);
    return this.positions.pop()!;
  }
}

function answerKey({ template, options, answer }: ShapesQuestion): string {
  return `${template}/${options[answer]}`;
}

const MOTION_WORDS: readonly string[] = DIRECTIONS;

/** The share of a template spread evenly over its answers; most actions of an object are motions. */
function answerShare({ template, options, answer }: ShapesQuestion): number {
  const share = TEMPLATE_SHARE[template];
  if (isAction(template)) {
    const right = options[answer]!;
    const isMotion = right === STILL || MOTION_WORDS.some((word) => right.endsWith(` ${word}`));
    return (share * (isMotion ? 0.8 : 0.2)) / 5;
  }
  return share / ANSWERS_OF[template];
}

type ActionTemplate = Extract<Template, `action-${string}`>;

function isAction(template: Template): template is ActionTemplate {
  return template.startsWith('action-');
}

/** How many different right answers a template has. */
const ANSWERS_OF: Readonly<Record<Exclude<Template, ActionTemplate>, number>> = {
  cause: 6,
  purpose: 6,
  reaction: 5,
  manner: 5,
  'mover-after': 6,
  'mover-while': 6,
  'mover-before': 6,
  place: 9,
  shape: 5,
  background: 5,
  affected: 6,
  'new-colour': 6,
  'at-place': 6,
  count: 4,
  'count-moved': 4,
};

/** Questions of each type, for summaries. */
export function countTypes(questions: readonly { type: QuestionType }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { type } of questions) counts[type] = (counts[type] ?? 0) + 1;
  return counts;
}
