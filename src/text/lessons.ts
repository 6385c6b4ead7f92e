/**
 * What students learn looking again from (VITAL's third stage): two turns a sample, the call for its true span with some noise, and
 * the answer with the frames of that span.
 */
import { Rng } from '../base/random.js';
import type { Sample, Span } from '../data/sample.js';
import { lookedAt } from './dialogue.js';
import { boundsOf, callText, shownText } from './looking.js';
import { noisyWindow } from './windows.js';

/** What is thought before a call. */
const CALL_THOUGHT = 'let us look at the frames';

/** The turn that calls for a span. */
export const callTurn = (span: Span): string => `<think>${CALL_THOUGHT}</think> ${callText(span)}`;

/**
 * Samples with a span become two, the later turn with `#look` behind its id; others stay as they are, and are answered at once.
 *
 * @param seed of the noise, the same in every epoch
 */
export function lookLessons(
  samples: readonly Sample[],
  { seed, perSecond }: { seed: number; perSecond: number },
): Sample[] {
  return samples.flatMap((sample) => {
    const bounds = boundsOf(sample);
    const span = sample.spans?.[0];
    const call = bounds && span && noisyWindow(span, bounds, new Rng(`${seed}/look/${sample.id}`));
    if (!call) return [sample];
    const look = { result: shownText(call), before: CALL_THOUGHT, perSecond, kept: true };
    return [
      { ...sample, call },
      { ...lookedAt(sample, call, look), id: `${sample.id}#look` },
    ];
  });
}
