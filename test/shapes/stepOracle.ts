/** Decides which clauses of the teacher's steps are true of a clip, written from the meaning of the words alone. */
import { type Clip, type ClipEvent, COLOURS, DIRECTIONS } from '../../src/shapes/scene.js';
import { effectOf, isMotion, placeName, replay, truthOf, VERBS } from './oracle.js';

export interface Clause {
  text: string;
  holds: boolean;
}

const NAME = '(the \\w+ \\w+)';
const WAY = `(${DIRECTIONS.join('|')})`;
const OUTCOME = `(${VERBS.map(([, , present]) => present).join('|')})`;

/** What the touch of each shape does, in the teacher's words. */
const LAWS: Readonly<Record<string, string>> = {
  'circles push things away': 'moves away',
  'stars make things vanish': 'vanishes',
  'squares make things shrink': 'shrinks',
  'triangles make things grow': 'grows',
  'crosses paint things': 'changes colour',
};

/**
 * The clauses of one step about four frames, in order.
 *
 * @param step a sentence with its capital and its full stop.
 * @param question whose object "it" is, and in whose span it does not move.
 * @throws Error for a sentence of no known form.
 */
export function clausesOf(clip: Clip, step: string, question: string): Clause[] {
  if (!/^[A-Z][^.]*\.$/.test(step)) throw new Error(`no sentence: ${step}`);
  const text = step.charAt(0).toLowerCase() + step.slice(1, -1);
  const read = FORMS.flatMap(([pattern, clauses]) => {
    const match = new RegExp(`^${pattern}$`).exec(text);
    return match === null ? [] : [clauses(clip, match.slice(1), question)];
  });
  if (read.length !== 1) throw new Error(`${read.length} readings of: ${step}`);
  return read[0]!;
}

type Read = (clip: Clip, words: string[], question: string) => Clause[];

const FORMS: [string, Read][] = [
  [
    'in frame (\\d), (.+ is at the .+)',
    (clip, [frame, list]) =>
      list!.split(/, | and (?=the)/).map((text) => {
        const [, name, place] = new RegExp(`^${NAME} is at the (.+)$`).exec(text)!;
        const seen = replay(clip)[Number(frame) - 1]?.[objectOf(clip, name!)];
        // An object that was painted cannot be found by its name in this frame.
        return { text, holds: seen !== undefined && seen.shown === seen.named && placeName(seen) === place };
      }),
  ],
  [
    'from frame (\\d) to frame (\\d), (.+)',
    (clip, [from, to, text]) => {
      if (!(Number(from) < Number(to))) throw new Error(`from frame ${from} to frame ${to}`);
      const events = clip.events.filter((e) => e.beat >= Number(from) && e.beat < Number(to));
      return [{ text: text!, holds: isDone(clip, events, text!) }];
    },
  ],
  [
    `(?:after the touch, )?(${NAME} ${OUTCOME})`,
    (clip, [text]) => [{ text: text!, holds: isDone(clip, clip.events, text!) }],
  ],
  [
    `(.+ things(?: \\w+)?), so ${NAME} ${OUTCOME}`,
    (clip, [law, name, outcome]) => {
      const event = clip.events.find((e) => 'cause' in e && e.object === objectOf(clip, name!));
      const cause = event && 'cause' in event ? clip.objects[event.cause]!.shape : '';
      return [
        { text: law!, holds: LAWS[law!] === outcome && law!.startsWith(cause) },
        { text: `${name} ${outcome}`, holds: event?.kind === effectOf(outcome!) },
      ];
    },
  ],
  [
    'there is no (.+) object',
    (clip, [list]) =>
      list!.split(/, | or /).map((colour) => ({
        text: `no ${colour}`,
        holds:
          COLOURS.some((known) => known === colour) &&
          replay(clip)
            .flat()
            .every(({ named, shown }) => named !== colour && shown !== colour),
      })),
  ],
  [
    `it does not move ${WAY} or ${WAY}`,
    (clip, ways, question) =>
      ways.map((way) => ({ text: `not ${way}`, holds: !truthOf(clip, question, `it moved ${way}`) })),
  ],
];

/** Whether one of these events is what a clause in the present tense tells. */
function isDone(clip: Clip, events: readonly ClipEvent[], clause: string): boolean {
  const [, name, verb] = new RegExp(`^${NAME} (.+)$`).exec(clause)!;
  const object = objectOf(clip, name!);
  const own = events.filter((e) => e.object === object);
  if (verb === 'stays still') return object >= 0 && !own.some(isMotion);
  const [, move, way, touched] =
    new RegExp(`^(moves|is pushed) ${WAY}(?: and touches ${NAME})?$`).exec(verb!) ?? [];
  if (move !== undefined) {
    const kinds = move === 'moves' ? ['move', 'push'] : ['push'];
    const ways = own.filter((e) => kinds.includes(e.kind) && e.direction === way);
    return ways.some((e) => touched === undefined || touches(e, objectOf(clip, touched)));
  }
  const other = new RegExp(`^touches ${NAME}$`).exec(verb!)?.[1];
  if (other !== undefined) return own.some((e) => touches(e, objectOf(clip, other)));
  const colour = /^turns (\w+)$/.exec(verb!)?.[1];
  if (colour !== undefined)
    return own.some((e) => e.kind === 'paint' && clip.objects[e.cause]!.colour === colour);
  return own.some((e) => e.kind === effectOf(verb!));
}

function touches(event: ClipEvent, object: number): boolean {
  return event.kind === 'move' && event.target === object;
}

/** The object with this colour and shape; "the red object" is one that the clip lacks, for the teacher knows shapes. */
function objectOf({ objects }: Clip, name: string): number {
  const [, colour, shape] = name.split(' ');
  return objects.findIndex((object) => object.colour === colour && object.shape === shape);
}
