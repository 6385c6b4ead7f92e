/**
 * How many of the events that one description tells are in another, by rule: VersaVid-R1's caption reward has a large model
 * find and compare them (AutoDQ of DREAM-1K).
 */
import type { Sample } from '../data/sample.js';
import { stemsOf } from '../reasoning/stems.js';
import { answerText } from '../text/tags.js';
import type { Reward, RewardSettings } from './reward.js';

/** Most events of a text that are looked at. */
const MOST = 10;

/** Share of an event's words that tell it. */
const TELLING = 0.75;

/** Sentences, and clauses that something happens in after or during another. */
const BETWEEN =
  /[.;!?\n]+|,?\s+(?:and\s+)?(?:then|next|after that|afterwards|finally|later|before|after|while|meanwhile)\b,?/i;

/** What happens in a text, each event as the stems of its words, in the text's order; at most 10. */
export function eventsOf(text: string): string[][] {
  return text
    .split(BETWEEN)
    .map(stemsOf)
    .filter((event) => event.length > 0)
    .slice(0, MOST);
}

/** Share of the events of `told` that one event of `by` tells each; 1 where there is none to tell. */
export function shareTold(told: string, by: string): number {
  const wanted = eventsOf(told);
  if (wanted.length === 0) return 1;
  const own = eventsOf(by).map((event) => new Set(event));
  const isTold = (event: readonly string[]) =>
    own.some((words) => event.filter((word) => words.has(word)).length >= TELLING * event.length);
  return wanted.filter(isTold).length / wanted.length;
}

function captionsOf({ captions = [] }: Sample): string[] {
  return captions.filter((caption) => eventsOf(caption).length > 0);
}

/** Rewards by the best reference; an empty description gets 0, though it tells nothing wrong. */
function byCaption(
  { tagged }: Pick<RewardSettings, 'tagged'>,
  share: (text: string, caption: string) => number,
): Reward {
  return {
    highest: 1,
    of: ({ sample, text }) => {
      const captions = captionsOf(sample);
      if (captions.length === 0) return null;
      const answer = answerText(text, tagged);
      if (eventsOf(answer).length === 0) return 0;
      return Math.max(...captions.map((caption) => share(answer, caption)));
    },
  };
}

/** Share of the reference's events that the text tells; for samples with captions. */
export const recall = (settings: RewardSettings): Reward =>
  byCaption(settings, (text, caption) => shareTold(caption, text));

/** Share of the text's events that the reference tells; for samples with captions. */
export const precision = (settings: RewardSettings): Reward =>
  byCaption(settings, (text, caption) => shareTold(text, caption));
