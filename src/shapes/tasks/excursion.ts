/** Excursions of long clips: an object moves one cell and back at once, and four uniform frames show nothing of it. */
import { theObject } from '../language.js';
import { fourFrames } from '../render.js';
import { type Clip, COLOURS, type Colour, type Direction, type MoveEvent, restStates } from '../scene.js';

/** The way out in one beat, the way back in the next. */
export interface Excursion {
  out: MoveEvent;
  back: MoveEvent;
}

const OPPOSITE: Readonly<Record<Direction, Direction>> = {
  left: 'right',
  right: 'left',
  up: 'down',
  down: 'up',
};

/** The excursions of a clip, in order of time. */
export function excursionsOf(clip: Clip): Excursion[] {
  const moves = clip.events.flatMap((event) =>
    event.kind === 'move' && event.target === undefined ? [event] : [],
  );
  const shown = fourFrames(clip);
  const states = restStates(clip);
  return moves.flatMap((out) => {
    const back = moves.find(
      ({ object, beat, from, to }) =>
        object === out.object && beat === out.beat + 1 && from === out.to && to === out.from,
    );
    if (back === undefined || shown.includes(out.beat)) return [];
    // Where it leant on another object, it returns to the centre of the cell instead.
    const [before, after] = [out.beat - 1, back.beat].map((beat) => states[beat]![out.object]!);
    return before!.x === after!.x && before!.y === after!.y ? [{ out, back }] : [];
  });
}

/** "which object moved up before it moved down", for an excursion that only one object's motions fit. */
export function excursionQuestion(clip: Clip, { out }: Excursion) {
  const { object, direction } = out;
  const opposite = OPPOSITE[direction];
  const motions = clip.events.filter(({ kind }) => kind === 'move' || kind === 'push');
  const fits = (other: number) =>
    motions.some(
      (first) =>
        first.object === other &&
        first.direction === direction &&
        motions.some(
          (then) => then.object === other && then.beat > first.beat && then.direction === opposite,
        ),
    );
  if (clip.objects.some((_, other) => other !== object && fits(other))) return undefined;
  const named = (colours: readonly Colour[]) => colours.map(theObject);
  const here = clip.objects.map(({ colour }) => colour);
  const right = here[object]!;
  return {
    question: `which object moved ${direction} before it moved ${opposite}`,
    right: theObject(right),
    others: named(here.filter((colour) => colour !== right)),
    absent: named(COLOURS.filter((colour) => !here.includes(colour))),
  };
}
