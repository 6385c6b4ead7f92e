/** Reads the chosen option out of a text as lmms-eval reads it for NExT-QA and MMMU (parse_multi_choice_response). */
import { optionLetter } from '../data/sample.js';

/** Marks that are taken off both ends, each in its turn. */
const MARKS = [',', '.', '!', '?', ';', ':', "'"];

/** Texts of fewer words are not searched for an option's words. */
const FEWEST_WORDS = 6;

/**
 * The 0-based option that `text` names: by `(A)`; if no option is, by `A `, by `A.`, or in a longer text by an option's own
 * words. Of several the one whose last mention comes last. Its oddities are kept, since published numbers rest on them:
 * "DNA " names A, and of several named by `A.` the first counts.
 *
 * @returns undefined where lmms-eval draws an option at random
 */
export function readAsLmmsEval(text: string, options: readonly string[]): number | undefined {
  const response = ` ${withoutMarks(text)} `;
  const lower = response.toLowerCase();
  const all = options.map((words, option) => ({
    option,
    letter: optionLetter(option),
    words: words.trim().toLowerCase(),
  }));
  const isLong = (response.match(/\S+/g)?.length ?? 0) >= FEWEST_WORDS;
  type Choice = (typeof all)[number];
  const rules: [names: (choice: Choice) => boolean, lastMention: (choice: Choice) => number][] = [
    [({ letter }) => response.includes(`(${letter})`), ({ letter }) => response.lastIndexOf(`(${letter})`)],
    [({ letter }) => response.includes(`${letter} `), ({ letter }) => response.lastIndexOf(` ${letter} `)],
    [({ letter }) => response.includes(`${letter}.`), ({ letter }) => response.lastIndexOf(` ${letter} `)],
    [({ words }) => isLong && lower.includes(words), ({ words }) => lower.lastIndexOf(words)],
  ];
  for (const [names, lastMention] of rules) {
    const named = all.filter(names);
    if (named.length === 0) continue;
    const places = named.map(lastMention);
    return named[places.indexOf(Math.max(...places))]!.option;
  }
  return undefined;
}

function withoutMarks(text: string): string {
  let from = 0;
  let to = text.length;
  for (const mark of MARKS) {
    while (from < to && text[from] === mark) from++;
    while (to > from && text[to - 1] === mark) to--;
  }
  return text.slice(from, to);
}
