/**
 * DarkEventInfer on shapes (VersaVid-R1's first proxy task): the frames of one beat are black, and the frames before and after
 * allow one set of events alone.
 */
import { Rng } from '../../base/random.js';
import type { Frames } from '../../video/frames.js';
import { LeastChosen } from '../balance.js';
import { clauseOf, nameOf } from '../language.js';
import { renderAll } from '../render.js';
import { type Clip, type ClipEvent, type ObjectState, restStates } from '../scene.js';
import { possibleEvents } from '../simulate.js';
import { framesOfBeats, sampleOf, type TaskRow, type TaskSplit } from './rows.js';

/** A clip of which one beat is black. */
export interface DarkVideo {
  video: string;
  task: 'dark';
  /** The clip's own video. */
  of: string;
  beat: number;
}

const QUESTION = 'From the frames before and after, what did the objects do in the blank frames?';

/** One film and one question about each clip that has a beat to infer; kinds of events are equally frequent. */
export function darkRows({ clips, seed }: TaskSplit): { rows: TaskRow[]; videos: DarkVideo[] } {
  const rng = new Rng(`${seed}/dark`);
  const chosen = new LeastChosen();
  const rows: TaskRow[] = [];
  const videos: DarkVideo[] = [];
  for (const { video: of, clip } of clips) {
    const beat = chosen.take(rng.shuffle(inferableBeats(clip)), (each) => ({ [kindOf(clip, each)]: 1 }));
    if (beat === undefined) continue;
    const video = `${of}-dark`;
    videos.push({ video, task: 'dark', of, beat });
    const sample = sampleOf({ video, clip }, '0', {
      task: 'open',
      question: QUESTION,
      answers: hiddenEvents(clip, beat),
      type: 'dark',
    });
    rows.push({ kind: 'dark', sample });
  }
  return { rows, videos };
}

/** The frames of a clip with those of a beat black: two successive ones differ by a level, or encoders would merge them. */
export function darkFrames(clip: Clip, beat: number, size: number): Frames {
  const frames = renderAll(clip, size);
  const bytes = frames.data.length / frames.n;
  const [from, to] = framesOfBeats(clip, beat);
  for (let frame = from; frame < to; frame++) frames.data.fill(frame % 2, frame * bytes, (frame + 1) * bytes);
  return frames;
}

/** The events of a beat as sentences, with the objects' shapes and with their colours alone. */
export function hiddenEvents(clip: Clip, beat: number): string[] {
  const told = eventsOf(clip, beat).map((event) => `${clauseOf(clip, event)}.`);
  const text = told.join(' ');
  const names = clip.objects.map((_, i) => nameOf(clip, i));
  return [
    text,
    names.reduce((rest, name, i) => rest.replaceAll(name, `${clip.objects[i]!.colour} object`), text),
  ];
}

/**
 * The beats with events, all but the first and the last, whose state at the end no other set of events gives that the rules of
 * the world allow. A beat follows each, whose frames show that state.
 */
export function inferableBeats(clip: Clip): number[] {
  const states = restStates(clip);
  return states.flatMap((_, beat) => {
    const own = eventsOf(clip, beat);
    if (beat === 0 || beat === states.length - 1 || own.length === 0) return [];
    const earlier = clip.events.filter((event) => event.beat < beat);
    const isExplained = possibleEvents(clip, beat).some(
      (other) =>
        keyOf(other) !== keyOf(own) &&
        looksLike(stateAfter({ ...clip, events: [...earlier, ...other] }, beat), states[beat]!),
    );
    return isExplained ? [] : [beat];
  });
}

function eventsOf({ events }: Clip, beat: number): ClipEvent[] {
  return events.filter((event) => event.beat === beat);
}

/** Sets of events are equal in any order. */
function keyOf(events: readonly ClipEvent[]): string {
  return events
    .map((event) => JSON.stringify(event))
    .sort()
    .join();
}

function stateAfter(clip: Clip, beat: number): ObjectState[] {
  return restStates({ ...clip, beats: beat + 1 })[beat]!;
}

/** A tenth of an object's radius, in scene units: less cannot be told from the tremble. */
const NEAR = 0.8;

function looksLike(one: readonly ObjectState[], other: readonly ObjectState[]): boolean {
  return one.every((state, i) => {
    const twin = other[i]!;
    if (state.alpha === 0 || twin.alpha === 0) return state.alpha === twin.alpha;
    const isNear = Math.hypot(state.x - twin.x, state.y - twin.y) < NEAR;
    return isNear && state.radius === twin.radius && state.colour === twin.colour;
  });
}

/** The effect in a beat, or that something moves without one. */
function kindOf(clip: Clip, beat: number): string {
  return eventsOf(clip, beat).find(({ kind }) => kind !== 'move')?.kind ?? 'move';
}
