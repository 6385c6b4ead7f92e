/**
 * Texts to read without a clip: which letter stands before an option, and what a short story says. A language model such
 * as FlanT5 knows both from its own training. The stories use the words of the world's events with objects, motions and
 * effects at random, so that nothing is learned of which shape does what, nor of how an event looks.
 */
import { Rng } from '../base/random.js';
import { optionLetter } from '../data/sample.js';
import { DEED, EFFECT_PRESENT, lawOf, sentence, theObject } from '../shapes/language.js';
import { MOTION, REACTION, STILL } from '../shapes/questions.js';
import { BACKGROUNDS, BEATS, COLOURS, DIRECTIONS, EFFECTS, LOCATIONS, SHAPES } from '../shapes/scene.js';
import { composeAnswer, layOutSteps } from '../shapes/teacherText.js';
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
    const steps = told.map(({ clause }) => sentence(clause));
    const { ask: asked, right, values } = rng.pick(rng.pick(told).asks);
    const isOnly = told.flatMap(({ asks }) => asks).filter((other) => other.ask === asked).length === 1;
    const roll = rng.float();
    if (roll < 0.25 || !isOnly) {
      const text = rng.chance(0.5)
        ? layOutSteps(steps, rng)
        : composeAnswer(steps, names, rng.int(names.length), rng);
      yield { prompt: `Question: ${text}`, target: text };
      continue;
    }
    const story = layOutSteps(steps, rng);
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

function tell(names: readonly string[], rng: Rng): Told {
  const [subject, other] = rng.shuffle([...names]) as [string, string];
  const who = (ask: string, right = subject) => ({ ask, right, values: names });
  const to = 2 + rng.int(BEATS - 1);
  const span = `from frame ${to - 1} to frame ${to}, `;
  const when = rng.pick([span, span, `in frame ${to}, `, 'after the touch, ', '']);
  const way = rng.pick(DIRECTIONS);
  const whither = (verb: string) => ({ ask: `${subject} ${verb}`, right: way, values: DIRECTIONS });
  const touches = [who(`which touches ${other}`), who(`${subject} touches`, other)];
  switch (rng.int(8)) {
    case 0:
      return {
        clause: `${when}${subject} moves ${way} and touches ${other}`,
        asks: [who(`which moves ${way}`), whither('moves'), ...touches],
      };
    case 1: {
      const verb = rng.pick(['moves', 'is pushed']);
      const asks = [who(`which ${verb} ${way}`), whither(verb)];
      return { clause: `${when}${subject} ${verb} ${way}`, asks };
    }
    case 2:
      return { clause: `${when}${subject} stays still`, asks: [who('which stays still')] };
    case 3:
      return { clause: `${when}${subject} touches ${other}`, asks: touches };
    case 4: {
      const colour = rng.pick(COLOURS);
      const turns = { ask: `${subject} turns`, right: colour, values: COLOURS };
      return { clause: `${when}${subject} turns ${colour}`, asks: [who(`which turns ${colour}`), turns] };
    }
    case 5: {
      const ways = rng.pick(PAIRS);
      return {
        clause: `it does not move ${ways}`,
        asks: [{ ask: 'it does not move', right: ways, values: PAIRS }],
      };
    }
    case 6:
      return supposedLaw(subject, names, rng);
    default: {
      const verb = EFFECT_PRESENT[rng.pick(EFFECTS)];
      return { clause: `${when}${subject} ${verb}`, asks: [who(`which ${verb}`), doing(subject, verb)] };
    }
  }
}

const PAIRS = DIRECTIONS.flatMap((a, i) => DIRECTIONS.slice(i + 1).map((b) => `${a} or ${b}`));

const doing = (subject: string, verb: string) => ({
  ask: `what does ${subject} do`,
  right: verb,
  values: EFFECTS.map((effect) => EFFECT_PRESENT[effect]),
});

/** A law of any shape and any effect, and what follows: the words of a law, and nothing of which one is true. */
function supposedLaw(subject: string, names: readonly string[], rng: Rng): Told {
  const effect = rng.pick(EFFECTS);
  const shape = rng.pick(SHAPES);
  const verb = EFFECT_PRESENT[effect];
  return {
    clause: `${lawOf(shape, effect)}, so ${subject} ${verb}`,
    asks: [
      {
        ask: `which ${DEED[effect]}`,
        right: lawOf(shape, effect),
        values: SHAPES.map((other) => lawOf(other, effect)),
      },
      doing(subject, verb),
      { ask: `which ${verb}`, right: subject, values: names },
    ],
  };
}
