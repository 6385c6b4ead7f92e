/**
 * The option whose direction a reply of one sentence tells in words for any movement: "The camera moves to the right" for
 * "panning from left to right", "It shifts from top to bottom" for "vertically".
 */

import type { Choices } from '../choices.js';
import { matchesOf } from '../matches.js';
import { claimed } from './claims.js';

type Direction = 'left' | 'right' | 'up' | 'down' | 'forward' | 'backward' | 'clockwise' | 'counterclockwise';

/** Where a movement from the other end goes: "from left to right" goes right. */
const ENDS: Record<string, Direction> = {
  left: 'left',
  right: 'right',
  top: 'up',
  up: 'up',
  bottom: 'down',
  down: 'down',
};
const END = '(left|right|top|up|bottom|down)';
const SIDE = '(?:[- ](?:hand[- ])?(?:side|edge|corner))?';
const ADVERBS: Record<string, Direction> = {
  leftward: 'left',
  rightward: 'right',
  upward: 'up',
  downward: 'down',
  forward: 'forward',
  backward: 'backward',
  clockwise: 'clockwise',
  counterclockwise: 'counterclockwise',
  anticlockwise: 'counterclockwise',
};
/** Words for any movement. A reply in another one may mean another option: "zooming" is no "panning". */
const MOVES =
  '(?:mov(?:e|es|ed|ing)|go(?:es|ing)?|went|shift(?:s|ed|ing)?|travel(?:s|ed|ing|led|ling)?|head(?:s|ed|ing))';
const MOVEMENT = new RegExp(`\\b(?:${MOVES}|movements?|motion|direction)\\b`, 'i');
/** A direction; the last group stands behind a movement alone: "moves up", but not "moves up to her". */
const TOLD = new RegExp(
  `\\b${END}${SIDE}[- ]to(?:wards?)?[- ](?:the )?${END}\\b(?! of\\b)|` +
    `\\b((?:left|right|up|down|for|back)ward|(?:(?:counter|anti)[- ]?)?clockwise)s?\\b|` +
    `\\bto(?:wards?)? the (left|right)\\b(?! of\\b)|` +
    `(?<=\\b${MOVES} (?:\\w+ly )?)${END}\\b(?! (?:to|the|and|of|at|on|in)\\b)`,
  'gi',
);
/** Words of an option for both directions of an axis. */
const AXES: [RegExp, readonly Direction[]][] = [
  [/\bhorizontal(?:ly)?\b/i, ['left', 'right']],
  [/\bvertical(?:ly)?\b/i, ['up', 'down']],
];

/** @returns the one option of the direction; undefined where the sentence tells two, or a movement of its own kind */
export function directionIn(sentence: string, choices: Choices): number | undefined {
  if (!MOVEMENT.test(sentence)) return undefined;
  const spots = matchesOf(sentence, TOLD).map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
    index: 0,
    direction: directionOf(match),
  }));
  const [told] = spots;
  if (!told || spots.some(({ direction }) => direction !== told.direction)) return undefined;
  if (claimed(sentence, spots).length === 0 || namesMovement(sentence, choices)) return undefined;
  const fitting = choices.texts.flatMap((option, i) => (goes(option, told.direction) ? [i] : []));
  return fitting.length === 1 ? fitting[0] : undefined;
}

function directionOf([, from, to, adverb, side, behind]: RegExpMatchArray): Direction {
  if (from !== undefined) return ENDS[(to as string).toLowerCase()] as Direction;
  if (adverb !== undefined) return ADVERBS[adverb.toLowerCase().replace(/[- ]/, '')] as Direction;
  return ENDS[((side ?? behind) as string).toLowerCase()] as Direction;
}

/** Whether an option of few words goes in the direction, or along its axis. */
function goes(option: string, direction: Direction): boolean {
  if (option.split(' ').length > 7) return false;
  if (AXES.some(([form, ends]) => form.test(option) && ends.includes(direction))) return true;
  const own = matchesOf(option, BARE).map(directionOf);
  return own.length > 0 && own.every((each) => each === direction);
}

/** {@link TOLD} in an option, where any verb may stand before: "tilting up", but not "on the left". */
const BARE = new RegExp(
  TOLD.source.replace(`(?<=\\b${MOVES} (?:\\w+ly )?)`, '(?:^|(?<=\\w{3} )(?<!\\bthe ))'),
  'gi',
);

/** Whether the sentence has an option's own word for the movement, with which the option begins. */
function namesMovement(sentence: string, choices: Choices): boolean {
  const lower = sentence.toLowerCase();
  return choices.texts.some((option) => {
    const [verb] = option.split(' ') as [string];
    const own = verb.length > 3 && !MOVEMENT.test(verb) && verb.match(BARE) === null;
    return own && lower.includes(verb.replace(/(?:ing|es|ed|s)$/, ''));
  });
}
