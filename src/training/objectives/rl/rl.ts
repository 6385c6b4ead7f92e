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
import type { Sample } from '../../../data/sample.js';
import type { Parameter } from '../../../model/layers/module.js';
import type { Student, StudentInput, Target, TokenLosses } from '../../../model/student.js';
import { type Scored, Scorer } from '../../../rewards/index.js';
import { scorerSettings } from '../../../rewards/settings.js';
import { requireTags } from '../../../text/encode.js';
import type { Tokenizer } from '../../../text/tokenizer.js';
import type { NamedLoss, Objective, ObjectiveSettings, StepInput } from '../objective.js';
import { advantagesOf, difficultyWeights } from './advantages.js';
import { BatchLog } from './log.js';
import { type PolicySettings, policyLoss, policyMetrics } from './policyLoss.js';
import { Reference } from './reference.js';

/** Key of the loss: `train/loss_own` is the mean -log p of what the student wrote. */
const NAME = 'own';

/** What was written and rewarded; completions of a sample follow each other. */
interface Rollout {
  rows: number[][];
  cut: boolean[];
  scored: Scored[];
  advantages: number[];
  reference: Float32Array | undefined;
}

export function rl({ config: { train }, tokenizer, cues }: ObjectiveSettings): Objective {
  const settings = scorerSettings(train.rl, say);
  if (settings.weights.format !== undefined) requireTags(tokenizer, 'train.rl.rewards.format');
  const scorer = new Scorer(settings);
  return new Rewarded({ ...train.rl, seed: train.seed, batch: train.batch }, scorer, tokenizer, cues?.answer);
}

/** Settings of the objective, as the keys of train.rl and train. */
type Train = ObjectiveSettings['config']['train'];
type Settings = Train['rl'] & Pick<Train, 'seed' | 'batch'>;

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

  constructor(
    private readonly settings: Settings,
    private readonly scorer: Scorer,
    private readonly tokenizer: Tokenizer,
    private readonly start: number | undefined,
  ) {
    const { loss: type, beta, maxNewTokens: maxLength } = settings;
    this.log = new BatchLog(settings);
    // The clip has no effect on ratios of 1; 0.2 is the papers'.
    this.policy = { type, beta, maxLength, epsilon: 0.2 };
  }

  encode() {
    return { targets: [], truncated: new Map<string, number>() };
  }

  begin(parameters: readonly Parameter[]): void {
    if (this.settings.beta > 0) this.reference = new Reference(parameters);
  }

  async respond(step: StepInput): Promise<Target[]> {
    const { student, input, samples } = step;
    const { group, scaleRewards: scale, dgrpo } = this.settings;
    const { rows, cut } = this.write(step);
    const scored = await this.score(samples, rows);
    const rewards = scored.map(({ reward }) => reward);
    const advantages = advantagesOf(rewards, { group, scale });
    if (dgrpo) {
      const highest = samples.map((_, i) => largestOf(scored.slice(i * group, (i + 1) * group)));
      const difficulty = difficultyWeights(rewards, group, highest);
      for (let i = 0; i < advantages.length; i++) advantages[i]! *= difficulty[Math.floor(i / group)]!;
    }
    const targets = this.targetsOf(rows, samples.length);
    const reference = this.reference?.logProbs(student, input, targets);
    this.rollouts.set(targets, { rows, cut, scored, advantages, reference });
    return targets;
  }

  /** Draws the completions. The seed of each follows from the run's, the pass and the sample. */
  private write({ student, input, samples, pass }: StepInput): Pick<Rollout, 'rows' | 'cut'> {
    const { group, temperature, topP, maxNewTokens, seed } = this.settings;
    const seeds = samples.flatMap(({ id }) =>
      Array.from({ length: group }, (_, i) => `${seed}/rl/${pass}/${id}/${i}`),
    );
    const { eosId } = this.tokenizer;
    const { ids, logProbs } = repeatedly(student, input, group, (encoded) =>
      student.generate(encoded, {
        ...{ maxNewTokens, eosId, start: this.start },
        sampling: { temperature, topP, seeds },
      }),
    );
    // The end has a log-probability and no id.
    const cut = ids.map((row, i) => logProbs[i]!.length === row.length);
    return { rows: ids.map((row, i) => (cut[i] ? row : [...row, eosId])), cut };
  }

  private score(samples: readonly Sample[], rows: readonly number[][]): Promise<Scored[]> {
    const { group } = this.settings;
    return Promise.all(
      rows.map((row, i) =>
        this.scorer.score({ sample: samples[Math.floor(i / group)]!, text: this.tokenizer.decode(row) }),
      ),
    );
  }

  /** The i-th completions of all samples are the i-th target. */
  private targetsOf(rows: readonly number[][], samples: number): Target[] {
    const { group, temperature } = this.settings;
    return Array.from({ length: group }, (_, i) => ({
      ...{ name: NAME, start: this.start, temperature },
      rows: Array.from({ length: samples }, (_, row) => rows[row * group + i]!),
    }));
  }

  loss(losses: TokenLosses, targets: readonly Target[]): tf.Scalar {
    const rollout = this.rollouts.get(targets);
    if (!rollout) throw new Error('rl: targets that were not drawn');
    const { group } = this.settings;
    const { rows, cut, scored, advantages, reference } = rollout;
    const completion = Int32Array.from(losses.target, (index, at) =>
      index < 0 ? -1 : losses.row[at]! * group + index,
    );
    const logp = Float32Array.from(losses.values.dataSync(), (value) => -value);
    const batch = { completion, advantages, old: logp, reference, tokens: this.mostTokens };
    const { kl, entropy, tokens } = policyMetrics(logp, batch, this.policy);
    this.tokens += tokens;
    this.log.add({ group, scored, lengths: rows.map((row) => row.length), cut, kl, entropy });
    return policyLoss(tf.neg(losses.values), batch, this.policy);
  }

  /** Tokens of a full batch of longest completions. dapo divides by it until the tokens of an update are known. */
  private get mostTokens(): number {
    const { batch, group, maxNewTokens } = this.settings;
    return batch * group * maxNewTokens;
  }

  scale(batches: number): number {
    const tokens = this.tokens;
    this.tokens = 0;
    return this.policy.type === 'dapo' ? this.mostTokens / Math.max(1, tokens) : 1 / batches;
  }

  metrics(): Record<string, number> {
    return this.log.take();
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

/** Encodes an input once and hands it on with every sample so many times. */
function repeatedly<T>(
  student: Student,
  input: StudentInput,
  times: number,
  use: (encoded: ReturnType<Student['encode']>) => T,
): T {
  const once = student.encode(input);
  const many = once.repeat(times);
  once.dispose();
  try {
    return use(many);
  } finally {
    many.dispose();
  }
}
