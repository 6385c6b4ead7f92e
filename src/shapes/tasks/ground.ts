/** Grounding: when an event happens that happens once; the truth is the time of its beat's frames. */
import { Rng } from '../../base/random.js';
import { LeastChosen } from '../balance.js';
import { EFFECT_BASE, isMotion, theObject } from '../language.js';
import type { Clip, ClipEvent } from '../scene.js';
import { sampleOf, someOf, spanOfBeats, type TaskRow, type TaskSplit } from './rows.js';

interface WhenQuestion {
  /** What kind of event it asks for, without object and direction. */
  kind: string;
  question: string;
  beat: number;
}

/**
 * Questions about when something happens. Kinds of events are equally frequent, and beats within a kind, as far as the clips
 * allow: neither wording nor objects tell the time.
 */
export function groundRows({ clips, seed, questionsPerClip }: TaskSplit): TaskRow[] {
  const rng = new Rng(`${seed}/ground`);
  const chosen = new LeastChosen();
  return clips.flatMap(({ video, clip }) => {
    const open = rng.shuffle(whenQuestions(clip));
    const rows: TaskRow[] = [];
    const count = someOf(open.length, questionsPerClip);
    while (rows.length < count) {
      const asked = chosen.take(open, ({ kind, beat }) => ({ [kind]: 1, [`${kind}/${beat}`]: 1 / 3 }))!;
      rows.push({
        kind: asked.kind,
        sample: sampleOf({ video, clip }, `ground${rows.length}`, {
          task: 'ground',
          question: `${asked.question}?`,
          spans: [spanOfBeats(clip, asked.beat)],
          type: 'ground',
        }),
      });
    }
    return rows;
  });
}

/** One question for each event of a clip that its words tell from all others. */
export function whenQuestions(clip: Clip): WhenQuestion[] {
  const named = (object: number) => theObject(clip.objects[object]!.colour);
  const motions = (object: number) =>
    clip.events.filter((event) => event.object === object && isMotion(event));
  const when = (event: ClipEvent, kind: string, what: string): WhenQuestion => ({
    kind,
    question: `when did ${named(event.object)} ${what}`,
    beat: event.beat,
  });
  return clip.events.flatMap((event): WhenQuestion[] => {
    const own = motions(event.object);
    if (event.kind === 'push') return own.length > 1 ? [] : [when(event, 'push', EFFECT_BASE.push)];
    // An object is touched once at most.
    if (event.kind !== 'move') return [when(event, event.kind, EFFECT_BASE[event.kind])];
    if (event.target === undefined) {
      const alike = own.filter(({ direction }) => direction === event.direction);
      return alike.length > 1 ? [] : [when(event, 'move', `move ${event.direction}`)];
    }
    const { object, target } = event;
    const turned = clip.events.some((e) => e.kind === 'move' && e.object === target && e.target === object);
    return turned ? [] : [when(event, 'touch', `touch ${named(target)}`)];
  });
}
