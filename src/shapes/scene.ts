/**
 * The shapes world: the parts of a clip. 2 to 4 coloured shapes stand on a 3 x 3 grid, move along its rows and columns
 * and touch each other. The effect of a touch depends only on the shape of the moving object (see {@link EFFECT_OF}),
 * so every change has a visible cause.
 *
 * Time has four beats: beat 0 is the scene at rest, events belong to beats 1 to 3. Four uniformly sampled frames
 * show one beat each. A long clip has more beats than such frames (see {@link isLength}).
 */
export const COLOURS = ['red', 'green', 'blue', 'yellow', 'purple', 'cyan'] as const;
export type Colour = (typeof COLOURS)[number];

export const SHAPES = ['circle', 'square', 'triangle', 'star', 'cross'] as const;
export type Shape = (typeof SHAPES)[number];

export const BACKGROUNDS = ['black', 'gray', 'white', 'brown', 'navy'] as const;
export type Background = (typeof BACKGROUNDS)[number];

export const DIRECTIONS = ['left', 'right', 'up', 'down'] as const;
export type Direction = (typeof DIRECTIONS)[number];

export const EFFECTS = ['push', 'vanish', 'shrink', 'grow', 'paint'] as const;
/** Effects of a touch on the touched object. */
export type Effect = (typeof EFFECTS)[number];

/** The law of the world: the shape of the moving object decides the effect of its touch. */
export const EFFECT_OF: Readonly<Record<Shape, Effect>> = {
  circle: 'push',
  star: 'vanish',
  square: 'shrink',
  triangle: 'grow',
  cross: 'paint',
};

/** Names of the nine grid cells, row by row. */
export const LOCATIONS = [
  'top left',
  'top',
  'top right',
  'left',
  'centre',
  'right',
  'bottom left',
  'bottom',
  'bottom right',
] as const;

/** Beats of a clip unless it states others. */
export const BEATS = 4;
/** Side of the scene in its own units; a 64 x 64 frame has one pixel per unit. */
export const SCENE_SIZE = 64;
/** Centre of the first row and column, and the distance between two. */
const GRID_ORIGIN = 11;
const GRID_STEP = 21;
export const BASE_RADIUS = 8;
export const SMALL_RADIUS = 4.75;
export const LARGE_RADIUS = 10.5;

export interface ShapeObject {
  colour: Colour;
  shape: Shape;
  /** Grid cell 0 to 8 in beat 0, index into {@link LOCATIONS}. */
  cell: number;
  /** Offset within the cell, in scene units from the centre. */
  offset: readonly [number, number];
  /** Phase of the slight tremble every object has, in radians. */
  phase: number;
}

/** An object moves by itself along a row or column; with `target`, it ends in contact with that object. */
export interface MoveEvent {
  kind: 'move';
  beat: number;
  object: number;
  direction: Direction;
  from: number;
  to: number;
  target?: number;
}

/** An effect on an object that `cause` touched in the same beat. */
export interface EffectEvent {
  kind: Effect;
  beat: number;
  object: number;
  cause: number;
  /** Only for a push: where the object ends up. */
  direction?: Direction;
  from?: number;
  to?: number;
}

export type ClipEvent = MoveEvent | EffectEvent;

export interface Clip {
  id: string;
  /** Number of frames, at least 8. */
  frames: number;
  /** Number of beats; {@link BEATS} when absent. */
  beats?: number;
  background: Background;
  objects: ShapeObject[];
  /** In order of time; an effect follows its cause. */
  events: ClipEvent[];
}

/** The number of beats of a clip. */
export function beatCount({ beats = BEATS }: Pick<Clip, 'beats'>): number {
  return beats;
}

/** The beats that have events: all but the first. */
export function eventBeats(clip: Pick<Clip, 'beats'>): number[] {
  return Array.from({ length: beatCount(clip) - 1 }, (_, i) => i + 1);
}

/**
 * Whether a clip can have these numbers. 4 beats need two frames each, so that one is after the events. A long clip has 4
 * times an odd number of beats: then four uniform frames look at the middle of a beat, when its events are over. It needs
 * four frames a beat.
 */
export function isLength(frames: number, beats: number): boolean {
  const whole = Number.isInteger(frames) && Number.isInteger(beats);
  if (!whole || beats % 8 !== BEATS) return false;
  return frames >= (beats === BEATS ? 2 : 4) * beats;
}

/** Look of one object at rest, in scene units. `colour` is an index into COLOURS. */
export interface ObjectState {
  x: number;
  y: number;
  cell: number;
  radius: number;
  alpha: number;
  colour: number;
}

export function cellCentre(cell: number): [number, number] {
  return [GRID_ORIGIN + GRID_STEP * (cell % 3), GRID_ORIGIN + GRID_STEP * Math.floor(cell / 3)];
}

/** The cell next to `cell`, or undefined at the border. */
export function neighbour(cell: number, direction: Direction): number | undefined {
  const [dx, dy] = STEP[direction];
  const column = (cell % 3) + dx;
  const row = Math.floor(cell / 3) + dy;
  if (column < 0 || column > 2 || row < 0 || row > 2) return undefined;
  return row * 3 + column;
}

/** Unit step (x, y) of each direction; y points down. */
export const STEP: Readonly<Record<Direction, readonly [number, number]>> = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
};

/**
 * The state of every object at the end of each beat, from replaying the events.
 * @returns `states[beat][object]`, from beat 0.
 */
export function restStates(clip: Pick<Clip, 'objects' | 'events' | 'beats'>): ObjectState[][] {
  let now: ObjectState[] = clip.objects.map((object) => ({
    ...placed(object, object.cell),
    cell: object.cell,
    radius: BASE_RADIUS,
    alpha: 1,
    colour: COLOURS.indexOf(object.colour),
  }));
  const states = [now];
  for (const beat of eventBeats(clip)) {
    now = now.map((state) => ({ ...state }));
    const events = clip.events.filter((event) => event.beat === beat);
    const before = states[beat - 1] as ObjectState[];
    for (const event of events) if (event.kind !== 'move') applyEffect(clip.objects, now, event);
    for (const event of events) if (event.kind === 'move') applyMove(clip.objects, now, before, event);
    states.push(now);
  }
  return states;
}

function placed(object: ShapeObject, cell: number): { x: number; y: number } {
  const [x, y] = cellCentre(cell);
  return { x: x + object.offset[0], y: y + object.offset[1] };
}

function applyEffect(objects: readonly ShapeObject[], now: ObjectState[], event: EffectEvent): void {
  const state = now[event.object] as ObjectState;
  switch (event.kind) {
    case 'push':
      Object.assign(state, placed(objects[event.object] as ShapeObject, event.to as number));
      state.cell = event.to as number;
      break;
    case 'vanish':
      state.alpha = 0;
      break;
    case 'shrink':
      state.radius = SMALL_RADIUS;
      break;
    case 'grow':
      state.radius = LARGE_RADIUS;
      break;
    case 'paint':
      state.colour = (now[event.cause] as ObjectState).colour;
  }
}

/** A mover with a target stops where the two outlines meet, whatever size the target has then or had before. */
function applyMove(
  objects: readonly ShapeObject[],
  now: ObjectState[],
  before: readonly ObjectState[],
  event: MoveEvent,
): void {
  const state = now[event.object] as ObjectState;
  Object.assign(state, placed(objects[event.object] as ShapeObject, event.to));
  state.cell = event.to;
  if (event.target === undefined) return;
  const target = now[event.target] as ObjectState;
  const distance = state.radius + Math.max(target.radius, (before[event.target] as ObjectState).radius);
  const [dx, dy] = STEP[event.direction];
  if (dx !== 0) state.x = target.x - dx * distance;
  else state.y = target.y - dy * distance;
}
