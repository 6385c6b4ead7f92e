/** How well a span of time in a text agrees with the true one. */
import { iou as iouOf } from '../text/overlap.js';
import { answerText } from '../text/tags.js';
import type { Reward, RewardSettings } from './reward.js';

/** `12`, `12.5`, `1:02`, `0:01:02.5`, each with a unit behind it or not. */
const TIME = '(\\d+(?::[0-5]?\\d){0,2}(?:\\.\\d+)?)\\s*(?:s|secs?|seconds?)?\\b';
const PAIR = new RegExp(`${TIME}\\s*(?:-|–|—|,|;|to|and|until|till)\\s*${TIME}`, 'gi');

/**
 * The last pair of times in a text, in seconds: `12.5 to 20`, `[3, 7.25]`, `1:05 - 1:20`. VITAL reads plain numbers only, and
 * takes `1:05` for two of them.
 *
 * @returns undefined where there is none; a pair may be reversed
 */
export function timesIn(text: string): [number, number] | undefined {
  const match = [...text.matchAll(PAIR)].at(-1);
  return match && [seconds(match[1]!), seconds(match[2]!)];
}

const seconds = (time: string): number => time.split(':').reduce((sum, part) => 60 * sum + Number(part), 0);

/** VITAL's task scaling: clamp((iou - low) / (high - low), 0, 1). */
export function scaledIou(iou: number, [low, high]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (iou - low) / (high - low)));
}

/** The scaled IoU with the best of the true spans; 0 for a text without a span; for samples with spans. */
export const iou = ({ tagged, iouRange }: Pick<RewardSettings, 'tagged' | 'iouRange'>): Reward => ({
  highest: 1,
  of: ({ sample: { spans = [] }, text }) => {
    if (spans.length === 0) return null;
    const times = timesIn(answerText(text, tagged));
    if (!times) return 0;
    return Math.max(...spans.map((span) => scaledIou(iouOf(times, span), iouRange)));
  },
});
