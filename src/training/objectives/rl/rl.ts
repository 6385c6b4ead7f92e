/**
 * Learning from rewards (`train.mode: rl`): the student writes several completions of each sample, rewards compare them, and it
 * learns to write the better ones more often. One update a rollout, as VersaVid-R1 and VITAL have it: every ratio of
 * probabilities is 1 in value, and no clip acts.
 *
 * The completions of a sample are targets of one forward pass, so that clip and prompt are encoded once for all of them. No
 * token is banned or forced, and the temperature divides the logits of both passes: what is learned is what was drawn from.
 */
import * as tf from '@tensorflow/tfjs-core';
import { say } from '../../../base/progress.js';
import type { Parameter } from '../../../model/layers/module.js';
import type { StudentInput, Target, TokenLosses } from '../../../model/student.js';
import { type Scored, Scorer } from '../../../rewards/index.js';
import { scorerSettings } from '../../../rewards/settings.js';
import { requireTags } from '../../../text/encode.js';
import { type Trajectory, trajectoryOf } from '../../trajectories.js';
import type { Candidates, Choice, NamedLoss, Objective, ObjectiveSettings, StepInput } from '../objective.js';
import { advantagesOf, difficultyWeights } from './advantages.js';
import { BatchLog, type PendingBatches } from './log.js';
import { type PolicySettings, policyLoss, policyMetrics } from './policyLoss.js';
import { Reference } from './reference.js';
import { Survey } from './survey.js';
import { type Completions, Writer } from './writer.js';

/** Key of the loss: `train/loss_own` is the mean -log p of what the student wrote. */
const NAME = 'own';

/** What was written and rewarded; completions of a sample follow each other. */
interface Rollout extends Omit<Completions, 'texts'> {
  advantages: number[];
  reference: Float32Array | undefined;
}

export function rl({ config: { train, video }, tokenizer, cues }: ObjectiveSettings): Objective {
  const rewards = scorerSettings(train.rl, say);
  if (rewards.weights.format !== undefined) requireTags(tokenizer, 'train.rl.rewards.format');
  const scorer = new Scorer(rewards);
  const settings = { ...train.rl, seed: train.seed, batch: train.batch, perSecond: video.lookFps };
  const writer = new Writer(settings, scorer, tokenizer, cues?.answer);
  return new Rewarded(settings, writer, new Survey(settings, writer, scorer), cues?.answer);
}

/** Settings of the objective, as the keys of train.rl and train. */
type Train = ObjectiveSettings['config']['train'];
type Settings = Train['rl'] & Pick<Train, 'seed' | 'batch'> & { perSecond: number };

class Rewarded implements Objective {
  readonly losses: readonly NamedLoss[] = [{ name: NAME, weight: 1 }];
  readonly dropsNothing = true;
  private readonly log: BatchLog;
  private readonly policy: PolicySettings;
  private reference: Reference | undefined;
  /** Of the targets that {@link respond} returned last. */
  private readonly rollouts = new WeakMap<readonly Target[], Rollout>();
  /** Tokens of the completions since the last update. */
  private tokens = 0;
  /** Dialogues of the last batch. */
  private spoken: readonly Trajectory[] = [];

  constructor(
    private readonly settings: Settings,
    private readonly writer: Writer,
    private readonly survey: Survey,
    private readonly start: number | undefined,
  ) {
    const { loss: type, beta } = settings;
    this.log = new BatchLog(settings);
    // The clip has no effect on ratios of 1; 0.2 is the papers'.
    this.policy = {
      type,
      beta,
      maxLength: this.mostTokens / (settings.batch * settings.group),
      epsilon: 0.2,
    };
  }

  encode() {
    return { targets: [], truncated: new Map<string, number>() };
  }

  choose(candidates: Candidates): Promise<Choice> {
    return this.survey.choose(candidates);
  }

  begin(parameters: readonly Parameter[]): void {
    if (this.settings.beta > 0) this.reference = new Reference(parameters);
  }

  async respond(step: StepInput): Promise<Target[]> {
    const { student, input, samples } = step;
    const { group, scaleRewards: scale, dgrpo } = this.settings;
    const { texts: _, ...written } = await this.writer.write(step, `${this.settings.seed}/rl/${step.pass}`);
    const { rows, scored, talks } = written;
    const rewards = scored.map(({ reward }) => reward);
    const advantages = advantagesOf(rewards, { group, scale });
    if (dgrpo) {
      const highest = samples.map((_, i) => largestOf(scored.slice(i * group, (i + 1) * group)));
      const difficulty = difficultyWeights(rewards, group, highest);
      for (let i = 0; i < advantages.length; i++) advantages[i]! *= difficulty[Math.floor(i / group)]!;
    }
    const targets = talks ? [this.targetOf(talks.rows)] : this.targetsOf(rows, samples.length);
    const reference = this.reference?.logProbs(student, talks?.input ?? input, targets);
    this.rollouts.set(targets, { ...written, advantages, reference });
    if (talks)
      this.spoken = talks.dialogues.map(({ sample: { id }, turns }, i) => trajectoryOf(id, turns, scored[i]));
    return targets;
  }

  about(targets: readonly Target[]): StudentInput | undefined {
    return this.rollouts.get(targets)?.talks?.input;
  }

  trajectories(): readonly Trajectory[] {
    return this.spoken;
  }

  /** The i-th completions of all samples are the i-th target. */
  private targetsOf(rows: readonly number[][], samples: number): Target[] {
    const { group } = this.settings;
    return Array.from({ length: group }, (_, i) =>
      this.targetOf(Array.from({ length: samples }, (_, row) => rows[row * group + i]!)),
    );
  }

  private targetOf(rows: readonly number[][]): Target {
    return { name: NAME, start: this.start, temperature: this.settings.temperature, rows };
  }

  loss(losses: TokenLosses, targets: readonly Target[]): tf.Scalar {
    const rollout = this.rollouts.get(targets);
    if (!rollout) throw new Error('rl: targets that were not drawn');
    const { group } = this.settings;
    const { rows, cut, scored, advantages, reference, talks } = rollout;
    const completion = Int32Array.from(losses.target, (index, at) => {
      if (index < 0) return -1;
      const row = losses.row[at]!;
      return talks ? talks.dialogueOf[row]! : row * group + index;
    });
    const logp = Float32Array.from(losses.values.dataSync(), (value) => -value);
    const batch = { completion, advantages, old: logp, reference, tokens: this.mostTokens };
    const { kl, entropy, tokens } = policyMetrics(logp, batch, this.policy);
    this.tokens += tokens;
    this.log.add({ group, scored, lengths: rows.map((row) => row.length), cut, kl, entropy });
    return policyLoss(tf.neg(losses.values), batch, this.policy);
  }

  /** Tokens of a full batch of longest completions. dapo divides by it until the tokens of an update are known. */
  private get mostTokens(): number {
    const { batch, group, maxNewTokens, looks } = this.settings;
    return batch * group * maxNewTokens * (looks + 1);
  }

  scale(batches: number): number {
    const tokens = this.tokens;
    this.tokens = 0;
    return this.policy.type === 'dapo' ? this.mostTokens / Math.max(1, tokens) : 1 / batches;
  }

  metrics(): Record<string, number> {
    return this.log.take();
  }

  pending(): unknown {
    return this.log.pending();
  }

  restore(pending: unknown): void {
    this.log.restore(pending as PendingBatches);
  }

  stop(step: number): string | undefined {
    return this.log.update(step);
  }

  dispose(): void {
    this.reference?.dispose();
  }
}

/** The largest reward that any completion of a sample could have had. */
const largestOf = (scored: readonly Scored[]) => Math.max(...scored.map(({ highest }) => highest));
