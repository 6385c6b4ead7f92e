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
 * An endless stream of options without a clip: which letter belongs to a text, which text to a letter, and a text to
 * repeat before its letter. FlanT5 brings from its instructions what these teach.
 */
export function* readingSamples(seed: number | string): Generator<ReadingSample, never> {
  const rng = new Rng(`reading/${seed}`);
  for (;;) {
    const list = rng.pick(READABLE);
    const options = rng.shuffle([...list]).slice(0, 2 + rng.int(4));
    const answer = rng.int(options.length);
    const text = options[answer]!;
    const option = `Option ${optionLetter(answer)}`;
    const roll = rng.int(3);
    if (roll === 0) yield { prompt: ask(text, options), target: option };
    else if (roll === 1) yield { prompt: ask(option, options), target: text };
    else yield { prompt: `Explanation ${ask(text, options)}`, target: `${text} ${option}` };
  }
}

function ask(question: string, options: string[]): string {
  return qaPrompt({ question, options }, 'Question: {question} {options}');
}
