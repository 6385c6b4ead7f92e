/**
 * The built-in teacher's reasoning about a question: steps in the style of the paper's Figure 2 (contents of the
 * frames, inference, options ruled out). For a wrong option it claims one thing that the frames do not show; the other
 * steps stay true, as the paper observed of imperfect reasoning.
 */
import type { Rng } from '../base/random.js';
import { MOTION, type PosedQuestion, REACTION, STILL } from './candidate.js';
import {
  absenceClause,
  type ClipFacts,
  clauseOf,
  colourOf,
  EFFECT_PRESENT,
  LAW,
  listOf,
  NUMBERS,
  nameOf,
  placeOf,
  sentence,
  standingClause,
} from './language.js';
import {
  type Clip,
  COLOURS,
  type Colour,
  DIRECTIONS,
  EFFECTS,
  type EffectEvent,
  type Shape,
} from './scene.js';

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
  const steps = [...story.context(), ...story.claimed()];
  const excluded = story.excluded(options, rng);
  if (excluded !== undefined) steps.push(excluded);
  return steps.map(sentence);
}

const SHAPE_LOOK: Readonly<Record<Shape, string>> = {
  circle: 'is round',
  square: 'has four sides',
  triangle: 'has three sides',
  star: 'has five points',
  cross: 'has four arms',
};

class Story {
  private readonly clip: Clip;
  private readonly isTrue: boolean;

  constructor(
    private readonly facts: ClipFacts,
    private readonly question: PosedQuestion,
    private readonly claim: string,
    private readonly frameOf: (beat: number) => number,
  ) {
    this.clip = facts.clip;
    this.isTrue = claim === question.right;
  }

  /** Places of the objects that matter just before the event; always true. */
  context(): string[] {
    const { evidence, template } = this.question;
    const steps: string[] = [];
    const beat = Math.max(0, (evidence.beats[0] ?? evidence.span?.[0] ?? 1) - 1);
    if (!STATIC_TEMPLATES.has(template)) {
      const standing = evidence.objects.flatMap((object) => standingClause(this.facts, beat, object) ?? []);
      if (standing.length > 0) steps.push(`in frame ${this.frameOf(beat)}, ${listOf(standing)}`);
    }
    if (evidence.anchor !== undefined) steps.push(this.anchorStep(evidence.anchor));
    return steps;
  }

  /** The step that carries the answer: true for the right option, made up for any other; then what follows. */
  claimed(): string[] {
    const { template } = this.question;
    if (template === 'background') return [`the background of every frame is ${this.claim}`];
    if (template === 'count' || template === 'count-moved') return this.countSteps();
    if (template === 'place' || template === 'at-place') return [this.placeStep()];
    if (template === 'shape') return [this.shapeStep()];
    if (template === 'manner' || template.startsWith('action-')) return this.actionSteps();
    if (template.startsWith('mover-')) return [this.moverStep()];
    return this.touchSteps();
  }

  /** Options that the frames rule out, never the claim and never the right one. */
  excluded(options: readonly string[], rng: Rng): string | undefined {
    const open = options.filter((option) => option !== this.claim && option !== this.question.right);
    const absent = COLOURS.filter(
      (colour) => this.objectOf(colour) === undefined && open.some(mentions(colour)),
    );
    if (absent.length > 0) return absenceClause(absent);
    const subject = this.question.evidence.objects[0];
    if (subject === undefined) return undefined;
    const motions = open.filter((option) => option.startsWith('it moved ') && option !== REACTION.push);
    if (motions.length < 2) return undefined;
    const [a, b] = rng.shuffle(motions).map((option) => option.replace('it moved ', ''));
    return `it does not move ${a} or ${b}`;
  }

  private name(object: number): string {
    return `the ${nameOf(this.clip, object, 'full')}`;
  }

  private objectOf(colour: Colour): number | undefined {
    const index = this.clip.objects.findIndex((object) => object.colour === colour);
    return index < 0 ? undefined : index;
  }

  /** The object an option names by its colour; a colour that is not in the clip gets no shape. */
  private claimedName(): string {
    const colour = COLOURS.find((c) => mentions(c)(this.claim))!;
    const object = this.objectOf(colour);
    return object === undefined ? `the ${colour} object` : this.name(object);
  }

  /** Between which of the given frames the beats fall; few frames may show two beats at once. */
  private span(beat: number, last = beat): string {
    const from = this.frameOf(beat - 1);
    const to = this.frameOf(last);
    return from === to ? `in frame ${to}` : `from frame ${from} to frame ${to}`;
  }

  private anchorStep(anchor: number): string {
    const event = this.clip.events[anchor]!;
    return `${this.span(event.beat)}, ${clauseOf(this.clip, event)}`;
  }

  private effectEvent(): EffectEvent {
    const { beats, objects } = this.question.evidence;
    const event = this.clip.events.find(
      (e) =>
        e.kind !== 'move' && e.beat === beats[0] && objects.includes(e.object) && objects.includes(e.cause),
    );
    if (event === undefined || event.kind === 'move') throw new Error('no effect behind the question');
    return event;
  }

  private touchSteps(): string[] {
    const effect = this.effectEvent();
    const { template } = this.question;
    const mover = this.name(effect.cause);
    const target = this.name(effect.object);
    const move = this.clip.events.find(
      (e) => e.kind === 'move' && e.beat === effect.beat && e.object === effect.cause,
    );
    const direction = move?.direction ?? 'left';
    const outcome = `${target} ${EFFECT_PRESENT[effect.kind]}`;
    const span = this.span(effect.beat);
    const law = LAW[this.clip.objects[effect.cause]!.shape];
    const touch = `${span}, ${mover} moves ${direction} and touches ${target}`;
    if (this.isTrue)
      return [touch, `${law}, so ${template === 'new-colour' ? `${target} turns ${this.claim}` : outcome}`];
    if (template === 'purpose')
      return [`${span}, ${mover} moves ${direction} and touches ${this.claimedName()}`];
    if (template === 'cause') return [`${span}, ${this.claimedName()} touches ${target}`, outcome];
    if (template === 'affected')
      return [`after the touch, ${this.claimedName()} ${EFFECT_PRESENT[effect.kind]}`];
    if (template === 'new-colour') return [touch, `after the touch, ${target} turns ${this.claim}`];
    return [touch, `after the touch, ${target} ${present(this.claim)}`];
  }

  private actionSteps(): string[] {
    const { evidence } = this.question;
    const object = evidence.objects[0]!;
    const event = this.clip.events.find(
      (e) =>
        e.object === object && evidence.beats.includes(e.beat) && MOVED.has(e.kind) === isMotion(this.claim),
    );
    if (this.isTrue && event !== undefined)
      return [`${this.span(event.beat)}, ${clauseOf(this.clip, event)}`];
    const beats = evidence.span ?? [1, 2, 3];
    return [`${this.span(beats[0]!, beats.at(-1)!)}, ${this.name(object)} ${present(this.claim)}`];
  }

  private moverStep(): string {
    const { evidence, right } = this.question;
    const event = this.clip.events.find(
      (e) => e.object === evidence.objects[0] && evidence.beats.includes(e.beat) && MOVED.has(e.kind),
    )!;
    const span = this.span(event.beat);
    return this.claim === right
      ? `${span}, ${clauseOf(this.clip, event)}`
      : `${span}, ${this.claimedName()} moves ${event.direction}`;
  }

  private placeStep(): string {
    const { evidence, template, right } = this.question;
    const beat = evidence.beats[0]!;
    const object = evidence.objects[0]!;
    const frame = `in frame ${this.frameOf(beat)}`;
    if (template === 'place') {
      const around = this.clip.objects
        .flatMap((_, i) => (i === object ? [] : (standingClause(this.facts, beat, i) ?? [])))
        .slice(0, 1);
      return `${frame}, ${listOf([`${this.name(object)} is at the ${this.claim}`, ...around])}`;
    }
    const place = placeOf(this.facts, beat, object);
    const name = this.claim === right ? this.name(object) : this.claimedName();
    return `${frame}, ${name} is at the ${place}`;
  }

  private shapeStep(): string {
    const { colour } = this.clip.objects[this.question.evidence.objects[0]!]!;
    const shape = this.claim as Shape;
    return `in every frame, the ${colour} object ${SHAPE_LOOK[shape]}, so it is a ${shape}`;
  }

  /** Lists the counted objects; a wrong count lists one too few or only states the number. */
  private countSteps(): string[] {
    const { evidence, template } = this.question;
    const number = (NUMBERS as readonly string[]).indexOf(this.claim);
    if (template === 'count-moved') {
      if (number === 0) return [`${this.span(1, 3)}, every object stays still`];
      const first = evidence.objects.map((object) =>
        this.clip.events.find((e) => e.object === object && MOVED.has(e.kind)),
      );
      const listed = first.slice(0, this.isTrue ? first.length : number);
      const moves = listed.map((event) => `${this.span(event!.beat)}, ${clauseOf(this.clip, event!)}`);
      return [...moves, `the number of objects that move is ${this.claim}`];
    }
    const beat = evidence.beats[0]!;
    const frame = `in frame ${this.frameOf(beat)}`;
    const seen = this.clip.objects.flatMap(({ shape }, i) =>
      placeOf(this.facts, beat, i) === undefined ? [] : [`a ${colourOf(this.facts, beat, i)} ${shape}`],
    );
    const listed = seen.slice(0, this.isTrue ? seen.length : number);
    return [`${frame}, there is ${listOf(listed)}`, `the number of objects is ${this.claim}`];
  }
}

const STATIC_TEMPLATES: ReadonlySet<string> = new Set([
  'background',
  'count',
  'count-moved',
  'place',
  'at-place',
  'shape',
]);
const MOVED: ReadonlySet<string> = new Set(['move', 'push']);

function mentions(colour: Colour): (text: string) => boolean {
  return (text) => text.split(' ').includes(colour);
}

function isMotion(option: string): boolean {
  return option === STILL || DIRECTIONS.some((direction) => MOTION[direction] === option);
}

/** "it moved left" to "moves left". */
function present(option: string): string {
  for (const direction of DIRECTIONS) if (MOTION[direction] === option) return `moves ${direction}`;
  for (const effect of EFFECTS) if (REACTION[effect] === option) return EFFECT_PRESENT[effect];
  return 'stays still';
}
