/**
 * Texts to read without a clip: which letter stands before an option, and what a short story says. A language model such
 * as FlanT5 knows both from its own training. The stories use the words of the world's events with objects, motions and
 * effects at random, so that nothing is learned of which shape does what, nor of how an event looks.
 */
import { Rng } from '../base/random.js';
import { optionLetter } from '../data/sample.js';
import { EFFECT_PRESENT, sentence, theObject } from '../shapes/language.js';
import { MOTION, REACTION, STILL } from '../shapes/questions.js';
import { BACKGROUNDS, BEATS, COLOURS, DIRECTIONS, EFFECTS, LOCATIONS, SHAPES } from '../shapes/scene.js';
import { layOutSteps } from '../shapes/teacherText.js';
import { qaPrompt } from '../text/prompts.js';

export interface Text {
  prompt: string;
  target: string;
}

/** Short texts to read, each alone in its list as one word or several. */
const READABLE: readonly (readonly string[])[] = [
  [...COLOURS, ...SHAPES, ...BACKGROUNDS],
  COLOURS.map(theObject),
  LOCATIONS,
  [...Object.values(MOTION), STILL, ...Object.values(REACTION)],
];

/**
 * Numbers of options in a list. Letters are first learned with two: with 3 or 5 options none was found in 3,000 steps,
 * with these in 400.
 */
const COUNTS = [2, 2, 3, 4, 5];

/** An endless stream of lists: which letter belongs to a text, which text to a letter, texts to repeat before letters. */
export function* lists(seed: string): Generator<Text, never> {
  const rng = new Rng(`lists/${seed}`);
  for (;;) {
    const options = rng.shuffle([...rng.pick(READABLE)]).slice(0, rng.pick(COUNTS));
    const text = rng.pick(options);
    const roll = rng.int(5);
    if (roll === 0) yield { prompt: ask(letterOf(text, options), options), target: text };
    else if (roll === 1) yield explained([text], options);
    else if (roll === 2) yield explained(rng.shuffle([...options]), options);
    else yield { prompt: ask(text, options), target: letterOf(text, options) };
  }
}

export function letterOf(text: string, options: readonly string[]): string {
  return `Option ${optionLetter(options.indexOf(text))}`;
}

function ask(question: string, options: string[]): string {
  return qaPrompt({ question, options }, 'Question: {question} {options}');
}

function explained(texts: string[], options: string[]): Text {
  const target = texts.map((text) => `${text} ${letterOf(text, options)}`).join(', ');
  return { prompt: `Explanation ${ask(texts.join(', '), options)}`, target };
}

/** A clause of a story, and what can be asked about it. */
interface Told {
  clause: string;
  asks: { ask: string; right: string; values: readonly string[] }[];
}

/** An endless stream of stories of one to three sentences: to repeat, or with a question, with and without options. */
export function* stories(seed: string): Generator<Text, never> {
  const rng = new Rng(`stories/${seed}`);
  for (;;) {
    const colours = rng.shuffle([...COLOURS]).slice(0, 3 + rng.int(3));
    const names = colours.map((colour) => `the ${colour} ${rng.pick(SHAPES)}`);
    const told = Array.from({ length: 1 + rng.int(3) }, () => tell(names, rng));
    const story = layOutSteps(
      told.map(({ clause }) => sentence(`${moment(rng)}${clause}`)),
      rng,
    );
    const { ask: asked, right, values } = rng.pick(rng.pick(told).asks);
    const isOnly = told.flatMap(({ asks }) => asks).filter((other) => other.ask === asked).length === 1;
    const roll = rng.float();
    if (roll < 0.25 || !isOnly) {
      yield { prompt: `Question: ${story}`, target: story };
      continue;
    }
    const question = `${story} ${asked}`;
    const wrong = rng.shuffle(values.filter((value) => value !== right)).slice(0, 4);
    const options = rng.shuffle([right, ...wrong]);
    const prompt = ask(question, options);
    if (roll < 0.4) yield { prompt: `Question: ${question}`, target: right };
    else if (roll < 0.6)
      yield { prompt: `Explanation ${prompt}`, target: `${right} ${letterOf(right, options)}` };
    else yield { prompt, target: letterOf(right, options) };
  }
}

function moment(rng: Rng): string {
  const to = 2 + rng.int(BEATS - 1);
  const span = `from frame ${to - 1} to frame ${to}, `;
  return rng.pick([span, span, `in frame ${to}, `, 'after the touch, ', '']);
}

function tell(names: readonly string[], rng: Rng): Told {
  const [subject, other] = rng.shuffle([...names]) as [string, string];
  const who = (ask: string, right = subject) => ({ ask, right, values: names });
  const way = rng.pick(DIRECTIONS);
  const whither = (verb: string) => ({ ask: `${subject} ${verb}`, right: way, values: DIRECTIONS });
  switch (rng.int(6)) {
    case 0:
      return {
        clause: `${subject} moves ${way} and touches ${other}`,
        asks: [who(`which touches ${other}`), who(`${subject} touches`, other), whither('moves')],
      };
    case 1: {
      const verb = rng.pick(['moves', 'is pushed']);
      return { clause: `${subject} ${verb} ${way}`, asks: [who(`which ${verb} ${way}`), whither(verb)] };
    }
    case 2:
      return { clause: `${subject} stays still`, asks: [who('which stays still')] };
    case 3:
      return { clause: `${subject} touches ${other}`, asks: [who(`which touches ${other}`)] };
    case 4: {
      const colour = rng.pick(COLOURS);
      const turns = { ask: `${subject} turns`, right: colour, values: COLOURS };
      return { clause: `${subject} turns ${colour}`, asks: [who(`which turns ${colour}`), turns] };
    }
    default: {
      const verb = EFFECT_PRESENT[rng.pick(EFFECTS)];
      const does = {
        ask: `what does ${subject} do`,
        right: verb,
        values: EFFECTS.map((e) => EFFECT_PRESENT[e]),
      };
      return { clause: `${subject} ${verb}`, asks: [who(`which ${verb}`), does] };
    }
  }
}
