/** The parts of a question about a shapes clip, and the closed sets of options. */
import { EFFECT_PAST } from './language.js';
import { COLOURS, type Colour, DIRECTIONS, type Direction, EFFECTS, type Effect } from './scene.js';

export const QUESTION_TYPES = ['CW', 'CH', 'TN', 'TC', 'TP', 'DL', 'DO', 'DC'] as const;
export type QuestionType = (typeof QUESTION_TYPES)[number];

export const TEMPLATES = [
  'cause',
  'purpose',
  'reaction',
  'manner',
  'action-after',
  'mover-after',
  'action-before',
  'mover-before',
  'action-while',
  'mover-while',
  'place',
  'shape',
  'background',
  'affected',
  'new-colour',
  'at-place',
  'count',
  'count-moved',
] as const;
/** Questions of one template share their wording and their set of answers. */
export type Template = (typeof TEMPLATES)[number];

/** Where in the clip the answer shows; the teacher explains from it. */
export interface Evidence {
  /** Indices of the objects concerned, the one the question is about first. */
  objects: number[];
  /** Beats in which the answer happens; none for an object that stays still. */
  beats: number[];
  /** Beats the question asks about, when it limits them. */
  span?: number[];
  /** Index of the event that a temporal question refers to. */
  anchor?: number;
}

/** A question of ours about a clip, with its right answer. */
export type PosedQuestion = Pick<Candidate, 'template' | 'question' | 'right' | 'evidence'>;

/** A fact of the clip that a question can be asked about, before its distractors are drawn. */
export interface Candidate {
  type: QuestionType;
  template: Template;
  question: string;
  right: string;
  /** The other options: exactly four, or a longer list of which `preferred` come first and the rest by chance. */
  wrong: string[];
  preferred?: string[];
  evidence: Evidence;
}

/** Past tense with "it": the options about what an object did. */
export const MOTION: Readonly<Record<Direction, string>> = {
  left: 'it moved left',
  right: 'it moved right',
  up: 'it moved up',
  down: 'it moved down',
};
export const STILL = 'it stayed still';
export const MOTIONS = [...DIRECTIONS.map((direction) => MOTION[direction]), STILL];

export const REACTION = Object.fromEntries(
  EFFECTS.map((effect) => [effect, `it ${EFFECT_PAST[effect]}`]),
) as Record<Effect, string>;
export const REACTIONS = EFFECTS.map((effect) => REACTION[effect]);

/** The four colours other than these two. */
export function others(...without: Colour[]): Colour[] {
  return COLOURS.filter((colour) => !without.includes(colour));
}

export function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
