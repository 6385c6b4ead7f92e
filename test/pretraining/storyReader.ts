/** Reads the texts of pre-training as a person would: sentences of a story, what is asked about it, the options. */
import { COLOURS, DIRECTIONS, SHAPES } from '../../src/shapes/scene.js';
import { VERBS } from '../shapes/oracle.js';

/** A prompt in its parts; `asked` is what is left beside whole sentences. */
export interface Prompt {
  explains: boolean;
  story: string[];
  asked: string;
  options: string[];
}

const INTRO = 'Let us look at the frames step by step:\n\n';

export function readPrompt(prompt: string): Prompt {
  const [, explains, question, listed] =
    /^(Explanation )?Question: (.*?)(?: (Option A: .*?))?(?: Considering the information .* options\.)?$/s.exec(
      prompt,
    )!;
  const pieces = sentencesIn(question!);
  return {
    explains: explains !== undefined,
    story: pieces.filter((piece) => piece.endsWith('.')),
    asked: pieces.find((piece) => !piece.endsWith('.')) ?? '',
    options: listed === undefined ? [] : listed.split(/ ?Option [A-E]: /).slice(1),
  };
}

/** Sentences of prose without its layout. */
export function sentencesIn(text: string): string[] {
  return text
    .replace(INTRO, '')
    .split(/\n|(?<=[a-z]\.) /)
    .map((line) => line.replace(/^(\d\.|-) /, ''));
}

/** What one sentence of a story says. */
export interface Told {
  subject: string;
  verb: string;
  way?: string;
  touched?: string;
  colour?: string;
  /** A supposed law, from which the sentence follows. */
  law?: { text: string; shape: string; effect: string };
  /** Ways that something does not move. */
  ways?: string;
}

const MOMENT = '(?:from frame \\d to frame \\d, |in frame \\d, |after the touch, )?';
const NAME = '(the \\w+ \\w+)';

const LAW = /^((\w+?)(?:es|s) (push things away|paint things|make things \w+)), so (.*)$/;

/** @throws Error for a sentence that no story has. */
export function readSentence(text: string): Told {
  const [, law, shape, effect, outcome] = LAW.exec(text.charAt(0).toLowerCase() + text.slice(1)) ?? [];
  if (outcome !== undefined)
    return { ...readSentence(outcome), law: { text: law!, shape: singular(shape!), effect: effect! } };
  const ways = /^It does not move (\w+ or \w+)\.$/.exec(text)?.[1];
  if (ways !== undefined) return { subject: 'it', verb: 'does not move', ways };
  const [, subject, rest] = new RegExp(`^${MOMENT}${NAME} (.+)\\.$`, 'i').exec(text) ?? [];
  if (subject === undefined) throw new Error(`no sentence of a story: ${text}`);
  const told: Told = { subject: subject.replace('The', 'the'), verb: rest! };
  const motion = new RegExp(`^(moves|is pushed) (${DIRECTIONS.join('|')})(?: and touches ${NAME})?$`).exec(
    rest!,
  );
  if (motion) return { ...told, verb: motion[1]!, way: motion[2], touched: motion[3] };
  const touched = new RegExp(`^touches ${NAME}$`).exec(rest!)?.[1];
  if (touched !== undefined) return { ...told, verb: 'touches', touched };
  const colour = new RegExp(`^turns (${COLOURS.join('|')})$`).exec(rest!)?.[1];
  if (colour !== undefined) return { ...told, verb: 'turns', colour };
  if (rest === 'stays still' || VERBS.some(([, , present]) => present === rest)) return told;
  throw new Error(`no sentence of a story: ${text}`);
}

/** "circl" of "circles" is a circle. */
const singular = (stem: string) => SHAPES.find((shape) => shape.startsWith(stem))!;

/** Every answer that a story gives to what is asked. @throws Error for what no story is asked. */
export function answersTo(asked: string, story: readonly Told[]): Set<string> {
  const find = (pattern: string) => new RegExp(`^${pattern}$`).exec(asked)?.slice(1);
  const collect = (is: (told: Told) => boolean, value: (told: Told) => string | undefined) =>
    new Set(story.flatMap((told) => (is(told) ? (value(told) ?? []) : [])));
  const subject = ({ subject: name }: Told) => name;

  const toucher = find(`which touches ${NAME}`);
  if (toucher) return collect((told) => told.touched === toucher[0], subject);
  const touched = find(`${NAME} touches`);
  if (touched)
    return collect(
      (told) => told.subject === touched[0],
      (told) => told.touched,
    );
  const mover = find('which (moves|is pushed) (left|right|up|down)');
  if (mover) return collect((told) => told.verb === mover[0] && told.way === mover[1], subject);
  const whither = find(`${NAME} (moves|is pushed)`);
  if (whither)
    return collect(
      (told) => told.subject === whither[0] && told.verb === whither[1],
      (told) => told.way,
    );
  const painted = find('which turns (\\w+)');
  if (painted) return collect((told) => told.colour === painted[0], subject);
  const colour = find(`${NAME} turns`);
  if (colour)
    return collect(
      (told) => told.subject === colour[0],
      (told) => told.colour,
    );
  const acts = VERBS.map(([, , present]) => present);
  const does = find(`what does ${NAME} do`);
  if (does)
    return collect(
      (told) => told.subject === does[0] && acts.includes(told.verb),
      (told) => told.verb,
    );
  if (asked === 'it does not move')
    return collect(
      ({ ways }) => ways !== undefined,
      ({ ways }) => ways,
    );
  const law = find('which (push things away|paint things|make things \\w+)');
  if (law)
    return collect(
      (told) => told.law?.effect === law[0],
      (told) => told.law?.text,
    );
  const who = find(`which (stays still|${acts.join('|')})`);
  if (who) return collect((told) => told.verb === who[0], subject);
  throw new Error(`no story is asked: ${asked}`);
}
