/** Words without articles, pronouns and endings, by which an option is known again in other forms of its words. */
import { stem } from './stems.js';

/** The roots of a {@link comparable} text, in order. */
export function rootsOf(text: string): string[] {
  return uncontracted(text)
    .split(' ')
    .filter((word) => word !== '' && !isSmall(word))
    .map(rootOf);
}

/** "doesn t", which is "doesn't" without its mark, as "does not". */
function uncontracted(text: string): string {
  return CONTRACTED.test(text)
    ? text
        .replace(/\bcannot\b|\bcan t\b/g, 'can not')
        .replace(/\bwon t\b/g, 'will not')
        .replace(/n t\b/g, ' not')
    : text;
}

const CONTRACTED = /n t\b|\bcannot\b/;

/** Words that place a thing, and "use": an option and its paraphrase differ in them. */
export const PLACING: ReadonlySet<string> = new Set(
  'use to in on at by with from into onto inside of for up down out off as'.split(' '),
);

/** The roots without those of {@link PLACING}, each once; all of them where nothing else is there. */
export function tellingRoots(roots: readonly string[]): string[] {
  const kept = roots.filter((root) => !PLACING.has(root));
  return [...new Set(kept.length > 0 ? kept : roots)];
}

/** The root of one word in lower case: "kisses" and "kissing" are "kiss"; "plays", "playing" and "play" are one too. */
export function rootOf(word: string): string {
  const known = KNOWN.get(word);
  if (known !== undefined) return known;
  const root = stem(stem(RATES.get(word) ?? word));
  // Texts hold few words, and a stranger's may hold any.
  if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
  KNOWN.set(word, root);
  return root;
}

/** Rates of playing a video in words. */
const RATES = new Map([
  ['1x', 'normal'],
  ['2x', 'double'],
]);

const KNOWN = new Map<string, string>();
const MOST_KNOWN = 20_000;

/** Words that may be more or fewer without another meaning. */
export function isSmall(word: string): boolean {
  return SMALL_WORDS.has(word);
}

const SMALL_WORDS = new Set(
  'the a an to that because since due of is are was were be am i he she they it its his her their him them s'.split(
    ' ',
  ),
);
