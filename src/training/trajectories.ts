/** Trajectories as JSON lines: the turns of each sample, its answer, and what it earns by the recipe's rewards. */
import { join } from 'node:path';
import { makeFolder, writeFileAtomic } from '../base/files.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';
import type { Prediction } from '../evaluation/answers.js';
import { type Scored, Scorer } from '../rewards/index.js';
import type { RewardValue } from '../rewards/reward.js';
import { scorerSettings } from '../rewards/settings.js';
import { dialogueText, shownCalls, type TakenTurn } from '../text/dialogue.js';
import { answerText } from '../text/tags.js';

/** A line of trajectories-<split>.jsonl, and of the rollouts of a run that learns from rewards. */
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
        const completion = { sample: byId.get(id)!, text: dialogueText(turns), calls: shownCalls(turns) };
        return trajectoryOf(id, turns, scorer && (await scorer.score(completion)));
      }),
  );
}

export function trajectoryOf(id: string, turns: readonly TakenTurn[], scored?: Scored): Trajectory {
  return {
    ...{ id, turns, answer: answerText(dialogueText(turns), true) },
    ...(scored && { rewards: { ...scored.values, total: scored.reward } }),
  };
}

export const trajectoryLines = (trajectories: readonly Trajectory[]): string =>
  trajectories.map((trajectory) => `${JSON.stringify(trajectory)}\n`).join('');

/** Writes the dialogues of one update's last batch, `rollouts/step-000010.jsonl`; a continued run writes the same bytes again. */
export async function writeRollout(
  runFolder: string,
  step: number,
  trajectories: readonly Trajectory[],
): Promise<void> {
  const folder = join(runFolder, 'rollouts');
  await makeFolder(folder);
  const file = join(folder, `step-${String(step).padStart(6, '0')}.jsonl`);
  await writeFileAtomic(file, trajectoryLines(trajectories));
}
