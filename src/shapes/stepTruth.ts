/**
 * Decides which steps of reasoning about a shapes clip are true, by the meaning of their words: the teacher's, and those
 * that a student writes in its manner. What is no step of a known form is unread, not false.
 */
import {
  type ClipFacts,
  colourOf,
  EFFECT_PRESENT,
  isMotion,
  lawOf,
  placeOf,
  showsOwnColour,
} from './language.js';
import { lookUp } from './questions.js';
import {
  beatCount,
  type ClipEvent,
  COLOURS,
  DIRECTIONS,
  EFFECT_OF,
  EFFECTS,
  LOCATIONS,
  SHAPES,
} from './scene.js';

/** One statement of a step, and whether it holds. */
export interface Clause {
  text: string;
  holds: boolean;
}

/** What a step is read against. */
export interface StepContext {
  facts: ClipFacts;
  /** Whose object "it" is, and in whose span it does not move. */
  question?: string | undefined;
  /** The beat that each shown frame shows; see fourFrames of render.ts. */
  beats: readonly number[];
}

const oneOf = (words: readonly string[]) => `(?:${words.join('|')})`;
const NAME = `the ${oneOf(COLOURS)} ${oneOf([...SHAPES, 'object'])}`;
const WAY = oneOf(DIRECTIONS);
const OUTCOME = oneOf(EFFECTS.map((effect) => EFFECT_PRESENT[effect]));
const PLACE = oneOf([...LOCATIONS].sort((a, b) => b.length - a.length));
const LAW = oneOf(SHAPES.flatMap((shape) => EFFECTS.map((effect) => lawOf(shape, effect))));
const STANDING = `${NAME} is at the ${PLACE}`;
const EVENT = `${NAME} (?:moves ${WAY}(?: and touches ${NAME})?|is pushed ${WAY}|touches ${NAME}|turns ${oneOf(COLOURS)}|stays still|${OUTCOME})`;

const whole = (source: string) => new RegExp(`^${source}$`);
const FRAME = /^in frame (\d{1,4}), /;
const SPAN = /^from frame (\d{1,4}) to frame (\d{1,4}), /;
const SUBJECT = new RegExp(`^${NAME}`);
const STANDINGS = whole(`${STANDING}(?:(?:, | and |, and )${STANDING})*`);
const EVENTS = whole(`${EVENT}(?:(?:, | and |, and )${EVENT})*`);
const EACH_STANDING = new RegExp(STANDING, 'g');
const EACH_EVENT = new RegExp(EVENT, 'g');
const LAWFUL = whole(`(${LAW}), so (${NAME}) (${OUTCOME})`);
const ABSENT = whole(`there is no (${oneOf(COLOURS)}(?:(?:, | or |, or )${oneOf(COLOURS)})*) object`);
const UNMOVED = whole(`it does not move (${WAY}(?:(?:, | or |, or )${WAY})*)`);
/** What may open a step: the mark of a list, its number. */
const MARK = /^(?:(?:[-*•+>]|\(?\d{1,3}[.)]|#{1,6}|step \d+:)\s+)+/;

/** The statements of one step, in order; undefined where its words are of no known form or of no shown frame. */
export function clausesOf(step: string, context: StepContext): Clause[] | undefined {
  const text = step.trim().toLowerCase().replace(/\*+/g, '').replace(/\s+/g, ' ').replace(MARK, '');
  let body = text.replace(/[\s.!,;]+$/, '').replace(/^after the touch, /, '');
  let moments: Moments = { shown: context.beats, from: -1, to: beatCount(context.facts.clip) };
  const frame = FRAME.exec(body);
  const span = SPAN.exec(body);
  if (frame || span) {
    const found = frame ? frameMoments(Number(frame[1]), context) : spanMoments(span!, context);
    if (!found) return undefined;
    moments = found;
    body = body.slice((frame ?? span)![0].length);
  }
  return read(body, context, moments);
}

/** Beats that a step is about: those shown, and events after one and up to another. */
interface Moments {
  shown: readonly number[];
  from: number;
  to: number;
}

function frameMoments(frame: number, { beats }: StepContext): Moments | undefined {
  const beat = beats[frame - 1];
  return beat === undefined ? undefined : { shown: [beat], from: beats[frame - 2] ?? -1, to: beat };
}

function spanMoments([, first, last]: RegExpExecArray, { beats }: StepContext): Moments | undefined {
  const from = beats[Number(first) - 1];
  const to = beats[Number(last) - 1];
  if (from === undefined || to === undefined || Number(first) >= Number(last)) return undefined;
  return { shown: beats.filter((beat) => beat >= from && beat <= to), from, to };
}

function read(body: string, { facts, question }: StepContext, moments: Moments): Clause[] | undefined {
  if (STANDINGS.test(body))
    return Array.from(body.matchAll(EACH_STANDING), ([text]) => ({
      text,
      holds: moments.shown.some((beat) => stands(facts, beat, text)),
    }));
  const events = facts.clip.events.filter(({ beat }) => beat > moments.from && beat <= moments.to);
  if (EVENTS.test(body))
    return Array.from(body.matchAll(EACH_EVENT), ([text]) => ({ text, holds: isDone(facts, events, text) }));
  const law = LAWFUL.exec(body);
  if (law) return lawClauses(facts, law[1]!, law[2]!, law[3]!);
  const absent = ABSENT.exec(body);
  if (absent)
    return listed(absent[1]!).map((colour) => ({ text: `no ${colour}`, holds: isAbsent(facts, colour) }));
  const ways = UNMOVED.exec(body);
  const asked = ways && question !== undefined ? lookUp(facts, question) : undefined;
  if (!ways || !asked) return undefined;
  const [object] = asked.evidence.objects;
  const own = facts.clip.events.filter(
    (event) => event.object === object && asked.evidence.beats.includes(event.beat) && isMotion(event),
  );
  return listed(ways[1]!).map((way) => ({
    text: `not ${way}`,
    holds: own.every(({ direction }) => direction !== way),
  }));
}

const listed = (list: string) => list.split(/, or |, | or /);

/** An object that was painted cannot be found by its name. */
function stands(facts: ClipFacts, beat: number, text: string): boolean {
  const [name, place] = text.split(' is at the ') as [string, string];
  const object = objectOf(facts, name);
  return object >= 0 && showsOwnColour(facts, beat, object) && placeOf(facts, beat, object) === place;
}

/** A law names what the touch of the cause's shape does, and the outcome is what happened to the object. */
function lawClauses({ clip, ...facts }: ClipFacts, law: string, name: string, outcome: string): Clause[] {
  const object = objectOf({ clip, ...facts }, name);
  const effects = clip.events.flatMap((event) =>
    event.kind !== 'move' && event.object === object ? [event] : [],
  );
  const shape = SHAPES.find((each) => lawOf(each, EFFECT_OF[each]) === law);
  const effect = shape && EFFECT_OF[shape];
  return [
    {
      text: law,
      holds:
        effect !== undefined &&
        EFFECT_PRESENT[effect] === outcome &&
        effects.some(({ cause }) => clip.objects[cause]!.shape === shape),
    },
    { text: `${name} ${outcome}`, holds: effects.some(({ kind }) => EFFECT_PRESENT[kind] === outcome) },
  ];
}

function isAbsent(facts: ClipFacts, colour: string): boolean {
  return facts.clip.objects.every(
    (object, i) =>
      object.colour !== colour && facts.states.every((_, beat) => colourOf(facts, beat, i) !== colour),
  );
}

/** Whether one of these events is what a clause in the present tense tells. */
function isDone(facts: ClipFacts, events: readonly ClipEvent[], clause: string): boolean {
  const { clip } = facts;
  const name = SUBJECT.exec(clause)![0];
  const verb = clause.slice(name.length + 1);
  const object = objectOf(facts, name);
  const own = events.filter((event) => event.object === object);
  if (verb === 'stays still') return object >= 0 && !own.some(isMotion);
  const touched = /touches (the .+)$/.exec(verb)?.[1];
  const target = touched === undefined ? undefined : objectOf(facts, touched);
  const touches = (event: ClipEvent) =>
    event.kind === 'move' && target !== undefined && event.target === target;
  const way = /^(moves|is pushed) (left|right|up|down)/.exec(verb);
  if (way)
    return own.some(
      (event) =>
        (event.kind === 'push' || (event.kind === 'move' && way[1] === 'moves')) &&
        event.direction === way[2] &&
        (touched === undefined || touches(event)),
    );
  if (touched !== undefined) return own.some(touches);
  const colour = /^turns (\w+)$/.exec(verb)?.[1];
  if (colour !== undefined)
    return own.some((event) => event.kind === 'paint' && clip.objects[event.cause]!.colour === colour);
  return own.some((event) => event.kind !== 'move' && EFFECT_PRESENT[event.kind] === verb);
}

/** The object of this colour, and of this shape where one is named; -1 when the clip has none. */
function objectOf({ clip }: ClipFacts, name: string): number {
  const [, colour, shape] = name.split(' ');
  return clip.objects.findIndex(
    (object) => object.colour === colour && (shape === 'object' || object.shape === shape),
  );
}
