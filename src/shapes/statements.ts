/**
 * Statements about a shapes clip with one slot, of whose values exactly one makes the statement true. Cloze asks for
 * it, the choice lists it among others. Each can be asked as a plain question too, in other words than the data set's.
 */
import type { Rng } from '../base/random.js';
import { MOTION, MOTIONS, REACTION, REACTIONS, STILL, unique } from './candidate.js';
import {
  type ClipFacts,
  clipColours,
  EFFECT_PAST,
  isMotion,
  type Naming,
  NUMBERS,
  nameOf,
  placeOf,
  showsOwnColour,
  theObject,
} from './language.js';
import {
  BACKGROUNDS,
  BEATS,
  type Clip,
  type ClipEvent,
  COLOURS,
  type Colour,
  LOCATIONS,
  SHAPES,
} from './scene.js';

export interface Slot {
  write: (value: string) => string;
  /** The question that the right value answers. */
  ask: string;
  values: readonly string[];
  right: string;
  /** Values the clip suggests: right of another object, or at another time. The right one may be among them. */
  near: readonly string[];
}

interface SlotShares {
  /** Statements about one frame; the others are about what happens. */
  sceneShare: number;
  /** Of those about what happens: about motion over any number of frames. */
  spanShare: number;
}

/** Draws one statement about the clip. */
export function drawSlot(facts: ClipFacts, rng: Rng, { sceneShare, spanShare }: SlotShares): Slot {
  for (;;) {
    const beat = rng.int(BEATS);
    const slot =
      rng.float() < sceneShare
        ? rng.pick(SCENE_WRITERS)(facts, rng, beat, momentOf(beat, rng))
        : rng.pick(rng.chance(spanShare) ? SPAN_WRITERS : EVENT_WRITERS)(facts, rng);
    if (slot !== undefined) return slot;
  }
}

/** Draws one statement about a single frame, which is called the first. */
export function drawSceneSlot(facts: ClipFacts, beat: number, rng: Rng): Slot {
  for (;;) {
    const slot = rng.pick(SCENE_WRITERS)(facts, rng, beat, 'in frame 1');
    if (slot !== undefined) return slot;
  }
}

type SceneWriter = (facts: ClipFacts, rng: Rng, beat: number, moment: string) => Slot | undefined;
type EventWriter = (facts: ClipFacts, rng: Rng) => Slot | undefined;

/** "in frame 1"; the first and last frame also by those words. */
function momentOf(beat: number, rng: Rng): string {
  const frame = `in frame ${beat + 1}`;
  if (beat === 0) return rng.pick([frame, 'at the start']);
  return beat === BEATS - 1 ? rng.pick([frame, 'at the end']) : frame;
}

const placeSlot: SceneWriter = (facts, rng, beat, moment) => {
  const object = rng.int(facts.clip.objects.length);
  const right = placeOf(facts, beat, object);
  if (right === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  const name = nameOf(facts.clip, object, drawNaming(rng));
  return {
    write: (place) => `the ${name} is at the ${place} ${moment}`,
    ask: `where can we see the ${name} ${moment}`,
    values: LOCATIONS,
    right,
    near: placesSeen(facts, beat, object),
  };
};

/** Where the other objects are at that beat, and the object itself at others. */
function placesSeen(facts: ClipFacts, beat: number, object: number): string[] {
  const others = facts.clip.objects.map((_, i) => placeOf(facts, beat, i));
  const own = facts.states.map((_, other) => placeOf(facts, other, object));
  return [...others, ...own].filter((place) => place !== undefined);
}

const whoIsThereSlot: SceneWriter = (facts, rng, beat, moment) => {
  const object = rng.int(facts.clip.objects.length);
  const place = placeOf(facts, beat, object);
  if (place === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  return objectSlot(facts.clip, facts.clip.objects[object]!.colour, {
    write: (thing) => `${thing} is at the ${place} ${moment}`,
    ask: `which object can we see at the ${place} ${moment}`,
  });
};

const shapeSlot: SceneWriter = (facts, rng, beat) => {
  const object = rng.int(facts.clip.objects.length);
  if (placeOf(facts, beat, object) === undefined || !showsOwnColour(facts, beat, object)) return undefined;
  const { colour, shape } = facts.clip.objects[object]!;
  return {
    write: (value) => `${theObject(colour)} is a ${value}`,
    ask: `which shape has ${theObject(colour)}`,
    values: SHAPES,
    right: shape,
    near: facts.clip.objects.map((other) => other.shape),
  };
};

const backgroundSlot: SceneWriter = ({ clip }, rng) =>
  rng.float() < 0.3
    ? {
        write: (value) => `the background is ${value}`,
        ask: 'which colour has the background',
        values: BACKGROUNDS,
        right: clip.background,
        near: [],
      }
    : undefined;

const countSlot: SceneWriter = ({ states }, _, beat, moment) => {
  const counts = states.map((objects) => NUMBERS[objects.filter((state) => state.alpha > 0).length]!);
  return {
    write: (value) => `the number of objects ${moment} is ${value}`,
    ask: `how many objects can we see ${moment}`,
    values: NUMBERS.slice(1),
    right: counts[beat]!,
    near: counts,
  };
};

/** Beats between two frames: after `from`, up to `to`. */
interface Span {
  from: number;
  to: number;
}

const oneBeat = (rng: Rng): Span => {
  const to = 1 + rng.int(BEATS - 1);
  return { from: to - 1, to };
};

function anySpan(rng: Rng): Span {
  const from = rng.int(BEATS - 1);
  return { from, to: from + 1 + rng.int(BEATS - 1 - from) };
}

const spanText = ({ from, to }: Span) => `from frame ${from + 1} to frame ${to + 1}`;

function motionsIn({ clip }: ClipFacts, { from, to }: Span): ClipEvent[] {
  return clip.events.filter((event) => isMotion(event) && event.beat > from && event.beat <= to);
}

/** How an object moved in a span, at rest included; once at most. */
const motionSlot =
  (drawSpan: (rng: Rng) => Span): EventWriter =>
  (facts, rng) => {
    const { clip, states } = facts;
    const object = rng.int(clip.objects.length);
    const span = drawSpan(rng);
    if (states[span.to]![object]!.alpha === 0) return undefined;
    const [event, second] = motionsIn(facts, span).filter((e) => e.object === object);
    // A still object is the common case; take it as often as one direction.
    if (second !== undefined || (event === undefined && rng.float() > 0.25)) return undefined;
    const name = nameOf(clip, object, drawNaming(rng));
    return {
      write: (value) => `the ${name} ${spanText(span)}: ${value}`,
      ask: `what did the ${name} do ${spanText(span)}`,
      values: MOTIONS,
      right: event === undefined ? STILL : MOTION[event.direction!],
      near: clip.events.filter(isMotion).map(({ direction }) => MOTION[direction!]),
    };
  };

/** Which object moved in a span, when only one did. */
const moverSlot =
  (drawSpan: (rng: Rng) => Span): EventWriter =>
  (facts, rng) => {
    const span = drawSpan(rng);
    const [mover, other] = unique(motionsIn(facts, span).map(({ object }) => object));
    if (mover === undefined || other !== undefined) return undefined;
    return objectSlot(facts.clip, facts.clip.objects[mover]!.colour, {
      write: (thing) => `${thing} moved ${spanText(span)}`,
      ask: `which object moved ${spanText(span)}`,
    });
  };

const movedCountSlot: EventWriter = (facts, rng) => {
  const span = anySpan(rng);
  const right = NUMBERS[unique(motionsIn(facts, span).map(({ object }) => object)).length]!;
  return {
    write: (value) => `the number of objects that moved ${spanText(span)} is ${value}`,
    ask: `how many objects moved ${spanText(span)}`,
    values: NUMBERS,
    right,
    near: [],
  };
};

/** The two objects of a touch; their shapes are left out so that the words do not tell them. */
const touchSlot: EventWriter = ({ clip }, rng) => {
  const touches = clip.events.filter((e) => e.kind !== 'move');
  const touch = rng.pick(touches);
  // An object is touched once at most, but may touch several.
  const several = touches.filter((e) => e.cause === touch.cause).length > 1;
  const mover = clip.objects[touch.cause]!.colour;
  const target = clip.objects[touch.object]!.colour;
  return rng.float() < 0.5 || several
    ? objectSlot(
        clip,
        mover,
        {
          write: (thing) => `${thing} touched ${theObject(target)}`,
          ask: `which object touched ${theObject(target)}`,
        },
        target,
      )
    : objectSlot(
        clip,
        target,
        {
          write: (thing) => `${theObject(mover)} touched ${thing}`,
          ask: `which object did ${theObject(mover)} touch`,
        },
        mover,
      );
};

/** A slot for an object that has this colour, called by its colour alone; `named` is in the statement already. */
function objectSlot(clip: Clip, colour: Colour, told: Pick<Slot, 'write' | 'ask'>, named?: Colour): Slot {
  return {
    ...told,
    values: COLOURS.filter((c) => c !== named).map(theObject),
    right: theObject(colour),
    near: clipColours(clip).map(theObject),
  };
}

/** The effect on an object, one of five. */
const effectSlot: EventWriter = ({ clip }, rng) => {
  const effects = clip.events.filter((e) => e.kind !== 'move');
  const event = rng.pick(effects);
  const { colour } = clip.objects[event.object]!;
  const roll = rng.float();
  if (event.kind === 'paint' && roll < 0.3) {
    const right = clip.objects[event.cause]!.colour;
    return {
      write: (value) => `${theObject(colour)} turns ${value}`,
      ask: `to which colour did ${theObject(colour)} change`,
      values: COLOURS.filter((c) => c !== colour),
      right,
      near: clipColours(clip),
    };
  }
  if (roll < 0.6) {
    return {
      write: (value) => `${theObject(colour)}: ${value}`,
      ask: `what did ${theObject(colour)} do in the video`,
      values: REACTIONS,
      right: REACTION[event.kind],
      near: effects.map(({ kind }) => REACTION[kind]),
    };
  }
  if (clip.events.filter(({ kind }) => kind === event.kind).length > 1) return undefined;
  return objectSlot(clip, colour, {
    write: (thing) => `${thing} ${EFFECT_PAST[event.kind]}`,
    ask: `which is the object that ${EFFECT_PAST[event.kind]}`,
  });
};

const SCENE_WRITERS: readonly SceneWriter[] = [
  placeSlot,
  whoIsThereSlot,
  shapeSlot,
  backgroundSlot,
  countSlot,
];
const EVENT_WRITERS: readonly EventWriter[] = [
  motionSlot(oneBeat),
  motionSlot(oneBeat),
  moverSlot(oneBeat),
  touchSlot,
  touchSlot,
  effectSlot,
  effectSlot,
];
const SPAN_WRITERS: readonly EventWriter[] = [
  motionSlot(anySpan),
  motionSlot(anySpan),
  moverSlot(anySpan),
  movedCountSlot,
];

export function drawNaming(rng: Rng): Naming {
  return rng.float() < 0.5 ? 'colour' : 'full';
}
