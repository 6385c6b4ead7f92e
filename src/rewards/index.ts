/** The rewards by name, and what completions earn by all of a recipe's. */
import type { FormatRule } from '../config/modes.js';
import { choice } from './choice.js';
import { applies, type ByName, combined } from './combine.js';
import { precision, recall } from './events.js';
import { format } from './format.js';
import { iou } from './iou.js';
import { judge } from './judge.js';
import { keywords } from './keywords.js';
import type { Completion, Reward, RewardSettings, RewardValue } from './reward.js';
import { rouge } from './rouge.js';
import { tool } from './tool.js';

type MakeReward = (settings: RewardSettings) => Reward;

const makers = new Map<string, MakeReward>();

/** Makes a reward known under a name; recipes name those that are keys of `train.rl.rewards`. */
export function registerReward(name: string, make: MakeReward): void {
  makers.set(name, make);
}

for (const [name, make] of Object.entries({
  ...{ format, choice, iou, rouge, recall, precision, keywords, tool, judge },
}))
  registerReward(name, make);

export const rewardNames = (): string[] => [...makers.keys()];

/** What a completion earned. */
export interface Scored {
  /** By name; null where the reward does not apply. */
  values: ByName<RewardValue>;
  /** The weighted sum; null where none applies. */
  reward: RewardValue;
  /** The largest sum that the rewards which apply to it allow. */
  highest: number;
}

export interface ScorerSettings extends Omit<RewardSettings, 'tagged'> {
  /** Weight of each reward. */
  weights: ByName<number>;
  /** Whether the format is a factor or a term. */
  format: FormatRule;
}

/** Rewards of how something is said. */
const MANNERS: readonly string[] = ['format', 'tool', 'keywords'];

/** Rewards completions by all of a recipe's rewards. Answers are read in tags where the format is rewarded. */
export class Scorer {
  private readonly rewards: [string, Reward][];

  /** @throws Error for a name that no reward has, which the schema checks first */
  constructor(private readonly settings: ScorerSettings) {
    const tagged = settings.weights.format !== undefined;
    this.rewards = Object.keys(settings.weights).map((name) => {
      const make = makers.get(name);
      if (!make)
        throw new Error(`train.rl.rewards: no reward ${name}; there are ${rewardNames().join(', ')}`);
      return [name, make({ ...settings, tagged })];
    });
  }

  get names(): string[] {
    return this.rewards.map(([name]) => name);
  }

  /**
   * Whether a completion solves its task: its rewards for content earn more than half of what they could, and, where the format
   * is a factor, it has it. Null where no reward for content applies. Format, calls of a tool and choice of words say nothing of it.
   */
  solves(values: Scored['values']): boolean | null {
    const { weights, format } = this.settings;
    let [earned, most] = [0, 0];
    for (const [name, { highest }] of this.rewards) {
      const value = values[name];
      if (MANNERS.includes(name) || !applies(value)) continue;
      earned += weights[name]! * value;
      most += weights[name]! * highest;
    }
    if (most <= 0) return null;
    if (format === 'multiply' && values.format === 0) return false;
    return earned > most / 2;
  }

  /** @throws Error for a value that is infinite, naming the reward and the sample */
  async score(completion: Completion): Promise<Scored> {
    const values: Record<string, RewardValue> = {};
    const largest: Record<string, RewardValue> = {};
    for (const [name, reward] of this.rewards) {
      const value = await reward.of(completion);
      if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
        throw new Error(
          `reward ${name} is ${value} for sample ${completion.sample.id}; expected a finite number, or null`,
        );
      values[name] = applies(value) ? value : null;
      largest[name] = applies(value) ? reward.highest : null;
    }
    const { weights, format } = this.settings;
    return {
      values,
      reward: combined(values, weights, format),
      highest: combined(largest, weights, format) ?? 0,
    };
  }
}
