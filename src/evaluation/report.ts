/** An answer as programs and pages get it: `reasvqa ask --json` and `POST /api/ask`. */
import { optionLetter, type Span } from '../data/sample.js';
import type { TakenTurn } from '../text/dialogue.js';
import { type Answer, probabilities, type Query } from './ask.js';
import type { Watched } from './watched.js';

export interface AnswerReport {
  question: string;
  /** The letter of the chosen option; what the student wrote where there are no options. */
  answer: string;
  /** Absent without options; no probabilities where the answer was read off written text. */
  options?: { letter: string; text: string; probability: number | null }[];
  /** When it happens, [start, end] in seconds; null where the student's text names no span; absent unless asked for. */
  span?: Span | null;
  /** Length of the video in seconds, beside a span. */
  duration?: number;
  /** Absent unless asked for. */
  reasoning?: string;
  /** The dialogue of a student that looks again. */
  turns?: readonly TakenTurn[];
  /** The frames that were looked at, with their index in the video and seconds since its first frame. */
  frames: { index: number; seconds: number }[];
  /** What of the question the student did not read. */
  notice?: string;
}

export function reportOf({ frames }: Watched, { question, options }: Query, answer: Answer): AnswerReport {
  const { option, scores, text, span, duration, reasoning, turns, notice } = answer;
  const shares = scores && probabilities(scores);
  return {
    question,
    answer: option === undefined ? text : optionLetter(option),
    ...(options && {
      options: options.map((each, i) => ({
        letter: optionLetter(i),
        text: each,
        probability: shares?.[i] ?? null,
      })),
    }),
    ...(span !== undefined && { span }),
    ...(duration !== undefined && { duration }),
    ...(reasoning !== undefined && { reasoning }),
    ...(turns && { turns }),
    frames: frames.indices.map((index, i) => ({ index, seconds: frames.timestamps[i]! })),
    ...(notice !== undefined && { notice }),
  };
}
