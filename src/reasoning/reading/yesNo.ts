/** The answer "yes" or "no" that a reply opens with or concludes, where it is an option or opens the only such one. */
import type { Choices } from '../choices.js';
import type { Said } from './said.js';
import { refusalAt } from './withheld.js';

const OPENS = '(?:so|therefore|thus|hence|consequently|overall|ultimately|in (?:conclusion|summary|short))';
/** "No.", "Yes he does" or "So, in answer to your question, yes, ..." at the beginning of a sentence; group 1 concludes. */
const ANSWERS = new RegExp(
  `^\\W*(?:(${OPENS})[,:]?\\s+(?:(?:in|to) answer(?: to)? (?:your|the|this) question,?\\s+)?)?(yes|no)` +
    '(?!\\s*[,.;!–—-]\\s*(?:wait|hold on|actually|hmm))(?=\\s*(?:[,.;!–—-]|$)|\\s+(?:because|since|as|he|she|it|they|there|the|this|that)\\b)',
  'i',
);
/** "So does he need a lid?": a question whose answer concludes. */
const LAST_ASKED = new RegExp(`^\\W*${OPENS}\\b[^?]*\\?\\s*$`, 'i');
/** "Yes, but no": the other word further inside a sentence. */
const TURNED = /\b(?:but|actually|rather|instead|though)\W+(yes|no)\b/i;

interface Word {
  word: string;
  concludes: boolean;
  /** Its sentence, from 0. */
  place: number;
}

/**
 * A concluding "so yes" has the last word; else the first sentence has, when no other says the opposite. In a reply of
 * three sentences and more no other option may be claimed, nor may it refuse where there is an option for that.
 *
 * @returns 0-based option
 */
export function yesOrNo(plain: string, said: readonly Said[], choices: Choices): number | undefined {
  const words = said.flatMap(({ text }, place): Word[] => {
    const [, so, word] = ANSWERS.exec(text) ?? [];
    if (word === undefined) return [];
    const asked = LAST_ASKED.test(said[place - 1]?.text ?? '');
    return [{ word: word.toLowerCase(), concludes: so !== undefined || asked, place }];
  });
  const decided = decidedBy(words);
  if (decided === undefined) return undefined;
  const exact = choices.texts.indexOf(decided);
  const index = exact >= 0 ? exact : choices.opening(decided);
  if (index === undefined || said.length <= 2) return index;
  const turned = said.some(({ text }) => (TURNED.exec(text)?.[1]?.toLowerCase() ?? decided) !== decided);
  const other = said.some(({ options }) => [...options].some((option) => option !== index));
  const refuses = choices.texts.length > 2 && refusalAt(plain) !== undefined;
  return turned || other || refuses ? undefined : index;
}

function decidedBy(words: readonly Word[]): string | undefined {
  const [first] = words;
  const last = words.at(-1);
  if (last?.concludes) return last.word;
  const agreed = words.every(({ word }) => word === first?.word);
  return first?.place === 0 && agreed ? first.word : undefined;
}
