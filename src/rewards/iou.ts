/** How well a span of time in a text agrees with the true one. */
import { iou as iouOf } from '../text/overlap.js';
import { answerText } from '../text/tags.js';
import { readSpan } from '../text/tasks/spanText.js';
import type { Reward, RewardSettings } from './reward.js';

/** VITAL's task scaling: clamp((iou - low) / (high - low), 0, 1). */
export function scaledIou(iou: number, [low, high]: readonly [number, number]): number {
  return Math.min(1, Math.max(0, (iou - low) / (high - low)));
}

/** The scaled IoU with the best of the true spans; 0 for a text without a span, as evaluation reads one; for samples with spans. */
export const iou = ({ tagged, iouRange }: Pick<RewardSettings, 'tagged' | 'iouRange'>): Reward => ({
  highest: 1,
  of: ({ sample: { spans = [] }, text }) => {
    if (spans.length === 0) return null;
    const written = readSpan(answerText(text, tagged));
    if (!written) return 0;
    return Math.max(...spans.map((span) => scaledIou(iouOf(written, span), iouRange)));
  },
});
