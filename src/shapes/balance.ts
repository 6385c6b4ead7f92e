/** Chooses questions so that templates, answers and letters are balanced. */
import { Rng } from '../base/random.js';
import {
  askAll,
  isMotionOption,
  placeAnswer,
  type ShapesQuestion,
  type Template,
  TYPE_OF,
} from './questions.js';
import type { Clip } from './scene.js';

/**
 * Share of each template among the questions of a dataset, and its number of answers. Most are causal and 16 % descriptive
 * (place, who), as in NExT-QA.
 */
const SHARES: Readonly<Record<Template, { share: number; answers: number }>> = {
  cause: { share: 31, answers: 6 },
  reaction: { share: 24, answers: 5 },
  manner: { share: 9, answers: 5 },
  after: { share: 13, answers: 10 },
  before: { share: 7, answers: 10 },
  place: { share: 9, answers: 9 },
  who: { share: 7, answers: 6 },
};

/**
 * Chooses questions clip by clip so that templates keep their shares, answers are equally frequent within a template,
 * and the right option is equally often A to E: neither the question nor the options tell which one is right.
 */
export class QuestionBalancer {
  private readonly rng: Rng;
  private readonly chosen = new LeastChosen();
  private positions: number[] = [];

  constructor(seed: number | string) {
    this.rng = new Rng(seed);
  }

  /** Up to `count` different questions about one clip, options in their final order. */
  choose(clip: Clip, count: number): ShapesQuestion[] {
    const open = this.rng.shuffle(askAll(clip, this.rng));
    const questions: ShapesQuestion[] = [];
    while (questions.length < count && open.length > 0) {
      const question = this.chosen.take(open, answerShares)!;
      questions.push(placeAnswer(question, this.nextPosition(), this.rng));
    }
    return questions;
  }

  private nextPosition(): number {
    if (this.positions.length === 0) this.positions = this.rng.shuffle([0, 1, 2, 3, 4]);
    return this.positions.pop()!;
  }
}

/** Shares of what things have in common, by name. */
export type Shares = Readonly<Record<string, number>>;

/** Chooses the things whose names were chosen least so far, relative to their shares. */
export class LeastChosen {
  private readonly counts = new Map<string, number>();

  /** Takes the least loaded thing out of a list, the first of several; a thing with two names has the sum of their loads. */
  take<T>(things: T[], sharesOf: (thing: T) => Shares): T | undefined {
    if (things.length === 0) return undefined;
    const loads = things.map((thing) => this.load(sharesOf(thing)));
    const [taken] = things.splice(loads.indexOf(Math.min(...loads)), 1);
    for (const name of Object.keys(sharesOf(taken!))) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    return taken;
  }

  private load(shares: Shares): number {
    const loads = Object.entries(shares).map(([name, share]) => ((this.counts.get(name) ?? 0) + 1) / share);
    return loads.reduce((sum, load) => sum + load, 0);
  }
}

/** The right answer of a question within its template, and its share. */
export function answerShares(question: Pick<ShapesQuestion, 'template' | 'right'>): Shares {
  return { [`${question.template}/${question.right}`]: answerShare(question) };
}

/** The share of a template spread evenly over its answers; of the actions of an object most are motions. */
function answerShare({ template, right }: Pick<ShapesQuestion, 'template' | 'right'>): number {
  const { share, answers } = SHARES[template];
  if (template !== 'after' && template !== 'before') return share / answers;
  return ((isMotionOption(right) ? 1.6 : 0.4) * share) / answers;
}

/** Questions of each NExT-QA type, for summaries. */
export function countTypes(questions: readonly ShapesQuestion[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { template } of questions) counts[TYPE_OF[template]] = (counts[TYPE_OF[template]] ?? 0) + 1;
  return counts;
}
