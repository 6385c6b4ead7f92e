/** What one sentence of a reply says of the options, for refinement. */

import type { Choices } from './choices.js';
import { type Cues, cuesIn } from './cues.js';
import { leaningIn } from './leaning.js';
import { matchesOf } from './matches.js';
import { plainText, withoutAssurances } from './plain.js';
import { mayHoldOption } from './reading/brief.js';
import { eliminatedIn } from './reading/eliminated.js';
import { listIn } from './reading/lines.js';
import { claimsLetter, placesIn } from './reading/mentions.js';
import { pointers } from './reading/pointers.js';
import { rankedIn, scoredIn } from './reading/scores.js';
import { statedBy } from './reading/stated.js';
import { concludedIn } from './reading/worded.js';
import { mayCueWords, mayNameByMark } from './screen.js';

/** "A, B, D and E are wrong", "A 10 %, C 90 %", "C = correct": what judges several options names one. */
const JUDGING = [eliminatedIn, scoredIn, rankedIn, listIn];

/** One sentence of a reply, by itself. */
export class Sentence {
  private readonly plain: string;
  private found: readonly Cues[] | undefined;
  private names: boolean | undefined;
  private states: boolean | undefined;

  constructor(
    text: string,
    private readonly choices: Choices,
  ) {
    this.plain = withoutAssurances(plainText(text)).trim();
  }

  /** Whether a letter or a place may name an option. */
  private get marked(): boolean {
    this.names ??= mayNameByMark(this.plain);
    return this.names;
  }

  /** Whether that or words behind a cue may. */
  private get cued(): boolean {
    this.states ??= this.marked || mayCueWords(this.plain);
    return this.states;
  }

  private get cues(): readonly Cues[] {
    this.found ??= cuesIn(this.plain);
    return this.found;
  }

  /** Whether it states an answer, by rules 2 to 4. A hedge counts as a statement. */
  statesAnswer(): boolean {
    if (!this.cued) return false;
    return statedBy(this.plain, this.choices, this.cues) !== undefined || this.letter() !== undefined;
  }

  /** The option whose letter is all that it holds. */
  private letter(): number | undefined {
    const letter = /^[([⟦]*([A-Z])[)\]⟧]*[.?!。]*$/.exec(this.plain)?.[1];
    return letter === undefined ? undefined : this.choices.ofLetter(letter);
  }

  /** Whether it opens with an option's letter as a label: "C. pick up the ball". */
  isLabelled(): boolean {
    const letter = /^[-*•>\s]*[([⟦]*([A-Z])[)\]⟧]*(?:[.:)。、]|$)/.exec(this.plain)?.[1];
    return letter !== undefined && this.choices.ofLetter(letter) !== undefined;
  }

  /** Whether it ends where an answer would begin: "The answer is:", `### Antwort`. */
  announcesAnswer(): boolean {
    // No answer begins behind the mark that ends a sentence.
    if (!this.cued || /[.!?]$/.test(this.plain)) return false;
    return this.cues.some(({ headers: forms, statement }) =>
      [...forms, statement].some((form) =>
        matchesOf(this.plain, form).some((match) => match.index + match[0].length === this.plain.length),
      ),
    );
  }

  /** Whether it concludes one of the options in its own words. */
  concludes(options: readonly number[]): boolean {
    const index = concludedIn(this.plain, this.choices);
    return index !== undefined && options.includes(index);
  }

  /** Whether it points at the option, by rules 6 to 10 or by its place, "the third option". */
  pointsAt(option: number): boolean {
    const { plain, choices } = this;
    if (!this.marked)
      return (
        choices.whole(plain) === option ||
        (mayHoldOption(plain, option, choices) && concludedIn(plain, choices) === option)
      );
    return (
      choices.mentions(plain).some((mention) => mention.index === option) ||
      choices.whole(plain) === option ||
      pointers(plain, choices, this.cues).some((candidate) => candidate.index === option) ||
      placesIn(plain, choices).includes(option) ||
      leaningIn(plain, choices)?.index === option ||
      claimsLetter(plain, option, choices) ||
      JUDGING.some((rule) => rule(plain, choices)?.index === option) ||
      concludedIn(plain, choices) === option
    );
  }
}
