import { optionLetter } from '../data/sample.js';
import { Rng } from '../random.js';
import { qaPrompt } from '../text/prompts.js';
import { MOTIONS, REACTIONS } from './candidate.js';
import { NUMBERS, theObject } from './language.js';
import { BACKGROUNDS, COLOURS, LOCATIONS, SHAPES } from './scene.js';

export interface ReadingSample {
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
 * An endless stream of options without a clip: which letter belongs to a text, which text to a letter, a text to repeat
 * before its letter, and all of them in another order with their letters. FlanT5 brings from its instructions what
 * these teach.
 */
export function* readingSamples(seed: number | string): Generator<ReadingSample, never> {
  const rng = new Rng(`reading/${seed}`);
  for (;;) {
    const list = rng.pick(READABLE);
    const options = rng.shuffle([...list]).slice(0, rng.pick([3, 5, 5]));
    const answer = rng.int(options.length);
    const text = options[answer]!;
    const named = options.map((option, i) => `${option} Option ${optionLetter(i)}`);
    const option = `Option ${optionLetter(answer)}`;
    const roll = rng.int(4);
    if (roll === 0) yield { prompt: ask(text, options), target: option };
    else if (roll === 1) yield { prompt: ask(option, options), target: text };
    else if (roll === 2) yield { prompt: `Explanation ${ask(text, options)}`, target: named[answer]! };
    else yield { prompt: ask('options', options), target: rng.shuffle(named).join(' ') };
  }
}

function ask(question: string, options: string[]): string {
  return qaPrompt({ question, options }, 'Question: {question} {options}');
}
