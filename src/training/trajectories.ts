/** Trajectories as JSON lines: the turns of each sample, its answer, and what it earns by the recipe's rewards. */
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import type { Prediction } from '../evaluation/answers.js';
import { Scorer } from '../rewards/index.js';
import type { RewardValue } from '../rewards/reward.js';
import { scorerSettings } from '../rewards/settings.js';
import { dialogueText, shownCalls, type TakenTurn } from '../text/dialogue.js';
import { answerText } from '../text/tags.js';

/** A line of trajectories-<split>.jsonl. */
export interface Trajectory {
  id: string;
  /** Texts in tags with calls as JSON; seconds of the frames that each was written about. */
  turns: readonly TakenTurn[];
  /** What stands behind the last `<answer>`; '' without one. */
  answer: string;
  /** By name, and their sum as `total`; null where one does not apply. Absent where the recipe names no reward. */
  rewards?: Readonly<Record<string, RewardValue>>;
}

/** The dialogues of predictions that have one. @throws UsageError for a judge that cannot be reached by its address */
export async function trajectoriesOf(
  { rl }: Pick<Config['train'], 'rl'>,
  samples: readonly Sample[],
  predictions: readonly Prediction[],
  onNotice: (line: string) => void,
): Promise<Trajectory[]> {
  const settings = scorerSettings(rl, onNotice);
  const scorer = Object.keys(settings.weights).length > 0 ? new Scorer(settings) : undefined;
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  return Promise.all(
    predictions
      .flatMap(({ id, turns }) => (turns ? [{ id, turns }] : []))
      .map(async ({ id, turns }) => {
        const text = dialogueText(turns);
        const own = { id, turns, answer: answerText(text, true) };
        if (!scorer) return own;
        const { values, reward } = await scorer.score({
          sample: byId.get(id)!,
          text,
          calls: shownCalls(turns),
        });
        return { ...own, rewards: { ...values, total: reward } };
      }),
  );
}

export const trajectoryLines = (trajectories: readonly Trajectory[]): string =>
  trajectories.map((trajectory) => `${JSON.stringify(trajectory)}\n`).join('');
