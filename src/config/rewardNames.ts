/** The keys of `train.rl.rewards`: names of rewards (src/rewards), which register themselves. */
const names = new Set([
  'format',
  'choice',
  'iou',
  'rouge',
  'recall',
  'precision',
  'keywords',
  'tool',
  'judge',
]);

/** Makes a name known to recipes. */
export function registerRewardName(name: string): void {
  names.add(name);
}

export const rewardNames = (): string[] => [...names];
