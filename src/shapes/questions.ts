/**
 * Questions of the NExT-QA types about a shapes clip. The options of most form a closed set (the four other colours, the
 * five reactions, four directions and rest, ...): the same texts are offered whichever is right, and nothing but the clip
 * tells them apart.
 */
import type { Rng } from '../base/random.js';
import {
  type ClipFacts,
  colourOf,
  EFFECT_BASE,
  EFFECT_PAST,
  factsOf,
  isMotion,
  placeOf,
  theObject,
} from './language.js';
import {
  beatCount,
  type Clip,
  type ClipEvent,
  COLOURS,
  type Colour,
  DIRECTIONS,
  type Direction,
  EFFECTS,
  type Effect,
  eventBeats,
  LOCATIONS,
} from './scene.js';

/** The type of each template's questions in NExT-QA: causal why and how, temporal next and previous, descriptive. */
export const TYPE_OF = {
  cause: 'CW',
  reaction: 'CH',
  manner: 'CH',
  after: 'TN',
  before: 'TP',
  place: 'DL',
  who: 'DO',
} as const;
/** Questions of one template share their wording and their set of answers. */
export type Template = keyof typeof TYPE_OF;

/** Where in the clip the answer shows; the teacher explains from it. */
export interface Evidence {
  /** Indices of the objects concerned, the one the question is about first. */
  objects: number[];
  /** Beats that the question asks about; for a cause or reaction the beat of the touch. */
  beats: number[];
  /** The event that a temporal question refers to. */
  anchor?: ClipEvent;
}

/** A fact of the clip that can be asked for. */
export interface PosedQuestion {
  template: Template;
  question: string;
  right: string;
  evidence: Evidence;
}

/** A question before its distractors are drawn: `preferred` are drawn first, then others of `wrong`. */
interface Candidate extends PosedQuestion {
  wrong: readonly string[];
  preferred?: readonly string[];
}

export interface ShapesQuestion extends PosedQuestion {
  /** Five distinct texts. */
  options: string[];
  answer: number;
}

/** Past tense with "it": the options about what an object did. */
export const MOTION: Readonly<Record<Direction, string>> = {
  left: 'it moved left',
  right: 'it moved right',
  up: 'it moved up',
  down: 'it moved down',
};
export const STILL = 'it stayed still';
const MOTIONS = [...DIRECTIONS.map((direction) => MOTION[direction]), STILL];

export const REACTION = Object.fromEntries(
  EFFECTS.map((effect) => [effect, `it ${EFFECT_PAST[effect]}`]),
) as Readonly<Record<Effect, string>>;
const REACTIONS = EFFECTS.map((effect) => REACTION[effect]);

/** Every question that this clip allows, with distractors drawn by `rng` and the right answer first. */
export function askAll(clip: Clip, rng: Rng): ShapesQuestion[] {
  return candidatesOf(factsOf(clip)).map(({ wrong, preferred = [], ...posed }) => {
    const first = rng.shuffle([...preferred]);
    const rest = rng.shuffle(wrong.filter((text) => !first.includes(text)));
    return { ...posed, options: [posed.right, ...[...first, ...rest].slice(0, 4)], answer: 0 };
  });
}

/** The question with this text about this clip, or undefined when there is none. */
export function lookUp(facts: ClipFacts, question: string): PosedQuestion | undefined {
  return candidatesOf(facts).find((candidate) => candidate.question === question);
}

/** Moves the right answer to `position` and shuffles the others. */
export function placeAnswer<Q extends Pick<ShapesQuestion, 'right' | 'options' | 'answer'>>(
  question: Q,
  position: number,
  rng: Rng,
): Q {
  const options = rng.shuffle(question.options.filter((_, i) => i !== question.answer));
  options.splice(position, 0, question.right);
  return { ...question, options, answer: position };
}

function candidatesOf(facts: ClipFacts): Candidate[] {
  const all = [...touches(facts), ...manners(facts), ...order(facts), ...places(facts)];
  // The same words may have two answers (an object that was pushed and moved by itself): neither is asked.
  const times = new Map<string, number>();
  for (const { question } of all) times.set(question, (times.get(question) ?? 0) + 1);
  return all.filter(({ question }) => times.get(question) === 1);
}

function except(all: readonly string[], right: string): string[] {
  return all.filter((text) => text !== right);
}

/** Who caused an effect, and how the touched object reacted. */
function touches({ clip }: ClipFacts): Candidate[] {
  return clip.events.flatMap((event): Candidate[] => {
    if (event.kind === 'move') return [];
    const target = clip.objects[event.object]!.colour;
    const cause = clip.objects[event.cause]!.colour;
    const evidence = { objects: [event.object, event.cause], beats: [event.beat] };
    const touchedIt = (colour: Colour) => `${theObject(colour)} touched it`;
    const right = REACTION[event.kind];
    return [
      {
        template: 'cause',
        question: `why did ${theObject(target)} ${EFFECT_BASE[event.kind]}`,
        right: touchedIt(cause),
        wrong: COLOURS.filter((colour) => colour !== target && colour !== cause).map(touchedIt),
        evidence,
      },
      {
        template: 'reaction',
        question: `how did ${theObject(target)} react when ${theObject(cause)} touched it`,
        right,
        wrong: except(REACTIONS, right),
        evidence,
      },
    ];
  });
}

/** How an object moved that did so once at most, and did not vanish. */
function manners({ clip }: ClipFacts): Candidate[] {
  return clip.objects.flatMap(({ colour }, object): Candidate[] => {
    const own = clip.events.filter((event) => event.object === object);
    const [move, second] = own.filter(isMotion);
    if (second !== undefined || own.some(({ kind }) => kind === 'vanish')) return [];
    const right = move === undefined ? STILL : MOTION[move.direction!];
    return [
      {
        template: 'manner',
        question: `how did ${theObject(colour)} move`,
        right,
        wrong: except(MOTIONS, right),
        evidence: { objects: [object], beats: eventBeats(clip) },
      },
    ];
  });
}

/** What an object did after or before an event of another one; it did one thing at most. */
function order(facts: ClipFacts): Candidate[] {
  const { clip, states } = facts;
  const candidates: Candidate[] = [];
  for (const anchor of clip.events) {
    const text = pastClause(clip, anchor);
    // The anchor must point to one moment; an object that was pushed left has moved left.
    const alike = clip.events.filter((e) => e.object === anchor.object && optionOf(e) === optionOf(anchor));
    if (alike.length > 1) continue;
    for (const template of ['after', 'before'] as const) {
      const beats = eventBeats(clip).filter((beat) =>
        template === 'after' ? beat > anchor.beat : beat < anchor.beat,
      );
      const partner = partnerOf(anchor, template);
      clip.objects.forEach(({ colour }, object) => {
        if (object === anchor.object || object === partner || beats.length === 0) return;
        // An object that is gone when the beats begin has no action to ask for.
        if (states[beats[0]! - 1]![object]!.alpha === 0) return;
        const [action, second] = clip.events.filter((e) => e.object === object && beats.includes(e.beat));
        if (second !== undefined) return;
        const right = optionOf(action);
        candidates.push({
          template,
          question: `what did ${theObject(colour)} do ${template} ${text}`,
          right,
          wrong: except(MOTIONS.includes(right) ? MOTIONS : REACTIONS, right),
          evidence: { objects: [object], beats, anchor },
        });
      });
    }
  }
  return candidates;
}

/**
 * The object that had its part in the anchor's touch after the anchor (it was touched) or before (it touched), though in
 * the same beat.
 */
function partnerOf(anchor: ClipEvent, template: 'after' | 'before'): number | undefined {
  if (anchor.kind === 'move') return template === 'after' ? anchor.target : undefined;
  return template === 'before' ? anchor.cause : undefined;
}

/** An event in the past tense, its object named by its colour. */
function pastClause(clip: Clip, event: ClipEvent): string {
  const verb = event.kind === 'move' ? `moved ${event.direction}` : EFFECT_PAST[event.kind];
  return `${theObject(clip.objects[event.object]!.colour)} ${verb}`;
}

/** Whether an option tells a motion or rest, not a reaction. */
export function isMotionOption(option: string): boolean {
  return MOTIONS.includes(option);
}

/** The option that tells what an event did to its object. */
export function optionOf(event: ClipEvent | undefined): string {
  if (event === undefined) return STILL;
  return event.kind === 'move' || event.kind === 'push' ? MOTION[event.direction!] : REACTION[event.kind];
}

const momentsOf = (clip: Clip) => [
  { text: 'at the start', beat: 0 },
  { text: 'at the end', beat: beatCount(clip) - 1 },
];

function places(facts: ClipFacts): Candidate[] {
  const { objects } = facts.clip;
  return momentsOf(facts.clip).flatMap(({ text, beat }) =>
    objects.flatMap(({ colour }, object): Candidate[] => {
      const right = placeOf(facts, beat, object);
      // Its name is no help in finding an object that is gone, has another colour or shares its own by then.
      const shown = objects.filter((_, i) => colourOf(facts, beat, i) === colour);
      if (right === undefined || shown.length > 1 || colourOf(facts, beat, object) !== colour) return [];
      const evidence = { objects: [object], beats: [beat] };
      return [
        {
          template: 'place',
          question: `where is ${theObject(colour)} ${text}`,
          right,
          wrong: except(LOCATIONS, right),
          preferred: except(distractingPlaces(facts, beat, object), right),
          evidence,
        },
        {
          template: 'who',
          question: `which object is at the ${right} ${text}`,
          right: theObject(colour),
          wrong: except(COLOURS.map(theObject), theObject(colour)),
          preferred: except(
            objects.map((other) => theObject(other.colour)),
            theObject(colour),
          ),
          evidence,
        },
      ];
    }),
  );
}

/** Up to two places that the clip suggests: where the object is at the other end, where another one is. */
function distractingPlaces(facts: ClipFacts, beat: number, object: number): string[] {
  const own = placeOf(facts, beat === 0 ? beatCount(facts.clip) - 1 : 0, object);
  const other = facts.clip.objects
    .map((_, i) => (i === object ? undefined : placeOf(facts, beat, i)))
    .find((place) => place !== undefined && place !== own);
  return [own, other].filter((place) => place !== undefined);
}
