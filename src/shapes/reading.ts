/** Lists of options to read without a clip. */
import { Rng } from '../base/random.js';
import { optionLetter } from '../data/sample.js';
import { qaPrompt } from '../text/prompts.js';
import { MOTIONS, REACTIONS } from './candidate.js';
import { NUMBERS, theObject } from './language.js';
import { BACKGROUNDS, COLOURS, LOCATIONS, SHAPES } from './scene.js';

interface ReadingSample {
  prompt: string;
  target: string;
}

/** Short texts to read, each alone in its list as one word or several. */
const READABLE: readonly (readonly string[])[] = [
  [...COLOURS, ...SHAPES, ...BACKGROUNDS, ...NUMBERS],
  COLOURS.map(theObject),
  LOCATIONS,
  [...MOTIONS, ...REACTIONS],
];

/**
 * Numbers of options in a list. Letters are first learned with two: with 3 or 5 options none was found in 3,000 steps,
 * with these in 400.
 */
const COUNTS = [2, 2, 3, 4, 5];

/**
 * An endless stream of options without a clip: which letter belongs to a text, which text to a letter, and texts to
 * repeat before their letters, one or all. FlanT5 already knows this from its instruction tuning.
 */
export function* readingSamples(seed: number | string): Generator<ReadingSample, never> {
  const rng = new Rng(`reading/${seed}`);
  for (;;) {
    const list = rng.pick(READABLE);
    const options = rng.shuffle([...list]).slice(0, rng.pick(COUNTS));
    const answer = rng.int(options.length);
    const text = options[answer]!;
    const option = `Option ${optionLetter(answer)}`;
    const roll = rng.int(5);
    if (roll === 0) yield { prompt: ask(option, options), target: text };
    else if (roll === 1) yield explained([text], options);
    else if (roll === 2) yield explained(rng.shuffle([...options]), options);
    else yield { prompt: ask(text, options), target: option };
  }
}

function explained(texts: string[], options: string[]): ReadingSample {
  const named = texts.map((text) => `${text} Option ${optionLetter(options.indexOf(text))}`);
  return { prompt: `Explanation ${ask(texts.join(', '), options)}`, target: named.join(', ') };
}

function ask(question: string, options: string[]): string {
  return qaPrompt({ question, options }, 'Question: {question} {options}');
}
