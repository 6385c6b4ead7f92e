/**
 * A dialogue about one sample: turns of a student, each a call or an answer, and what every call comes to. Every turn is an
 * ordinary sample to the rest of the program: other bounds, a sentence before the prompt, and what was written before behind it.
 */
import { DataError } from '../base/errors.js';
import type { Look, Sample, Span } from '../data/sample.js';
import { type Bounds, boundsOf, failedText, shownText, spanFault, type Turn, turnOf } from './looking.js';
import { taggedParts } from './tags.js';

/** A turn of a trajectory. */
export interface TakenTurn extends Turn {
  /** What its call came to; absent without one. */
  result?: string;
  /** The span whose frames it came to. */
  shown?: Span;
  /** Seconds of the frames that the student saw when it wrote. */
  frames: readonly number[];
}

export interface DialogueSettings {
  /** Calls that are answered, failed ones included. */
  looks: number;
  /** Most frames a second of a span. */
  perSecond: number;
}

export class Dialogue {
  readonly turns: TakenTurn[] = [];
  private readonly bounds: Bounds;

  /** @throws DataError for a sample that nothing says the length of */
  constructor(
    readonly sample: Sample,
    private readonly settings: DialogueSettings,
  ) {
    const bounds = boundsOf(sample);
    if (!bounds)
      throw new DataError(`sample ${sample.id}: no duration, which calls for its frames are checked by`);
    this.bounds = bounds;
  }

  /**
   * Takes what the student wrote in tags.
   *
   * @param frames seconds of what it saw. @returns what it is given next; undefined where the dialogue is over
   */
  take(written: string, frames: readonly number[]): Sample | undefined {
    const turn: TakenTurn = { ...turnOf(written), frames };
    this.turns.push(turn);
    if (turn.call === undefined && turn.fault === undefined) return undefined;
    const { looks } = this.settings;
    if (this.turns.length > looks) {
      turn.result = failedText(`no further call is answered, ${looks} at most`);
      return undefined;
    }
    const fault = turn.fault ?? spanFault(turn.call!, this.bounds);
    if (fault !== undefined) return this.failed(fault);
    turn.shown = turn.call!;
    return this.next(shownText(turn.shown));
  }

  /** Takes back the frames of the last call, which cannot be read. @returns what the student is given instead */
  unreadable(): Sample {
    delete this.turns.at(-1)!.shown;
    return this.failed('these frames cannot be read');
  }

  private failed(fault: string): Sample {
    return this.next(failedText(fault));
  }

  private next(result: string): Sample {
    this.turns.at(-1)!.result = result;
    const view = this.turns.findLast(({ shown }) => shown)?.shown;
    return lookedAt(this.sample, view, {
      ...{ result, before: thoughtsOf(dialogueText(this.turns)) },
      // What a student calls for is hardly ever called for again; what it saw first is.
      kept: view === undefined,
      ...(view && { perSecond: this.settings.perSecond }),
    });
  }
}

/** All that was written, as one text in tags. */
export const dialogueText = (turns: readonly Turn[]): string => turns.map(({ text }) => text).join(' ');

/** Calls whose frames were shown. */
export const shownCalls = (turns: readonly TakenTurn[]): number =>
  turns.filter(({ shown }) => shown !== undefined).length;

/** What is thought in a text in tags: the words of it that the encoder reads in the next turn. */
const thoughtsOf = (text: string): string => taggedParts(text)?.reasoning ?? '';

/** A sample as a later turn. @param view what is looked at; the sample's own clip without */
export function lookedAt(sample: Sample, view: Span | undefined, look: Look): Sample {
  return { ...sample, ...(view && { start: view[0], end: view[1] }), look };
}
