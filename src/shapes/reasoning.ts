/**
 * The built-in teacher's reasoning about a question: steps in the style of the paper's Figure 2 (contents of the
 * frames, inference, options ruled out). For a wrong option it claims one thing that the frames do not show; the other
 * steps stay true, as the paper observed of imperfect reasoning.
 */
import type { Rng } from '../base/random.js';
import {
  absenceClause,
  type ClipFacts,
  clauseOf,
  EFFECT_PRESENT,
  lawOf,
  listOf,
  nameOf,
  placeOf,
  sentence,
  standingClause,
} from './language.js';
import { isMotionOption, MOTION, type PosedQuestion, REACTION } from './questions.js';
import { COLOURS, type Colour, DIRECTIONS, EFFECTS, type EffectEvent } from './scene.js';

interface ReasoningOptions {
  /** Frame number, from 1, that shows the end of a beat among the frames the teacher was given. */
  frameOf: (beat: number) => number;
  rng: Rng;
}

/** The steps that lead to `claim`, one of the option texts; only the right one leads there truthfully. */
export function reasoningSteps(
  facts: ClipFacts,
  question: PosedQuestion,
  options: readonly string[],
  claim: string,
  { frameOf, rng }: ReasoningOptions,
): string[] {
  const story = new Story(facts, question, claim, frameOf);
  return [...story.context(), ...story.claimed(), ...story.excluded(options, rng)].map(sentence);
}

class Story {
  private readonly isTrue: boolean;

  constructor(
    private readonly facts: ClipFacts,
    private readonly question: PosedQuestion,
    private readonly claim: string,
    private readonly frameOf: (beat: number) => number,
  ) {
    this.isTrue = claim === question.right;
  }

  /** Places of the objects that matter just before the event, and the event that the question refers to; always true. */
  context(): string[] {
    const { evidence, template } = this.question;
    if (template === 'place' || template === 'who') return [];
    const { anchor, beats, objects } = evidence;
    const beat = beats[0]! - 1;
    const standing = objects.flatMap((object) => standingClause(this.facts, beat, object) ?? []);
    const steps = standing.length > 0 ? [`in frame ${this.frameOf(beat)}, ${listOf(standing)}`] : [];
    if (anchor) steps.push(`${this.span(anchor.beat)}, ${clauseOf(this.facts.clip, anchor)}`);
    return steps;
  }

  /** The step that carries the answer: true for the right option, made up for any other; then what follows. */
  claimed(): string[] {
    const { template } = this.question;
    if (template === 'place' || template === 'who') return [this.placeStep()];
    return template === 'cause' || template === 'reaction' ? this.touchSteps() : [this.actionStep()];
  }

  /** Options that the frames rule out, never the claim and never the right one. */
  excluded(options: readonly string[], rng: Rng): string[] {
    const open = options.filter((option) => option !== this.claim && option !== this.question.right);
    const absent = COLOURS.filter(
      (colour) => this.objectOf(colour) === undefined && open.some((option) => colourIn(option) === colour),
    );
    if (absent.length > 0) return [absenceClause(absent)];
    const ways = DIRECTIONS.filter((direction) => open.includes(MOTION[direction]));
    return ways.length < 2 ? [] : [`it does not move ${rng.shuffle(ways).slice(0, 2).join(' or ')}`];
  }

  private name(object: number): string {
    return `the ${nameOf(this.facts.clip, object)}`;
  }

  private objectOf(colour: Colour): number | undefined {
    const index = this.facts.clip.objects.findIndex((object) => object.colour === colour);
    return index < 0 ? undefined : index;
  }

  /** The object that the claim names by its colour; a colour that is not in the clip gets no shape. */
  private claimedName(): string {
    const colour = colourIn(this.claim)!;
    const object = this.objectOf(colour);
    return object === undefined ? `the ${colour} object` : this.name(object);
  }

  /** Between which of the given frames the beats fall; few frames may show two beats at once. */
  private span(beat: number, last = beat): string {
    const from = this.frameOf(beat - 1);
    const to = this.frameOf(last);
    return from === to ? `in frame ${to}` : `from frame ${from} to frame ${to}`;
  }

  private touchSteps(): string[] {
    const { clip } = this.facts;
    const { evidence, template } = this.question;
    const [target, cause] = evidence.objects as [number, number];
    const [beat] = evidence.beats as [number];
    const isHere = (object: number) => (event: { beat: number; object: number }) =>
      event.beat === beat && event.object === object;
    const move = clip.events.filter(({ kind }) => kind === 'move').find(isHere(cause))!;
    const effect = clip.events.filter(({ kind }) => kind !== 'move').find(isHere(target)) as EffectEvent;
    const outcome = `${this.name(target)} ${EFFECT_PRESENT[effect.kind]}`;
    if (template === 'cause' && !this.isTrue)
      return [`${this.span(beat)}, ${this.claimedName()} touches ${this.name(target)}`, outcome];
    const touch = `${this.span(beat)}, ${clauseOf(clip, move)}`;
    return this.isTrue
      ? [touch, `${lawOf(clip.objects[cause]!.shape, effect.kind)}, so ${outcome}`]
      : [touch, `after the touch, ${this.name(target)} ${present(this.claim)}`];
  }

  private actionStep(): string {
    const { clip } = this.facts;
    const { objects, beats } = this.question.evidence;
    const [object] = objects as [number];
    const own = clip.events.filter((event) => event.object === object && beats.includes(event.beat));
    // How an object moved is asked of one that may have shrunk or grown as well.
    const moved = own.find(({ kind }) => kind === 'move' || kind === 'push');
    const event = isMotionOption(this.claim) ? moved : own[0];
    if (this.isTrue && event) return `${this.span(event.beat)}, ${clauseOf(clip, event)}`;
    return `${this.span(beats[0]!, beats.at(-1))}, ${this.name(object)} ${present(this.claim)}`;
  }

  private placeStep(): string {
    const { evidence, template, right } = this.question;
    const [beat] = evidence.beats as [number];
    const [object] = evidence.objects as [number];
    const frame = `in frame ${this.frameOf(beat)}`;
    if (template === 'place') {
      const others = this.facts.clip.objects.flatMap((_, other) =>
        other === object ? [] : (standingClause(this.facts, beat, other) ?? []),
      );
      return `${frame}, ${listOf([`${this.name(object)} is at the ${this.claim}`, ...others.slice(0, 1)])}`;
    }
    const name = this.claim === right ? this.name(object) : this.claimedName();
    return `${frame}, ${name} is at the ${placeOf(this.facts, beat, object)}`;
  }
}

function colourIn(option: string): Colour | undefined {
  return COLOURS.find((colour) => option.split(' ').includes(colour));
}

/** "it moved left" to "moves left". */
function present(option: string): string {
  for (const direction of DIRECTIONS) if (MOTION[direction] === option) return `moves ${direction}`;
  for (const effect of EFFECTS) if (REACTION[effect] === option) return EFFECT_PRESENT[effect];
  return 'stays still';
}
