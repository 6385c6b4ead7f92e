/**
 * The leak check's reader by rule: the option that the text mentions, by letter, by place ("the third option") or by its
 * own words, where it is not denied. An answer that is stated comes first; one that the reader of answers takes from other
 * words ("stars make things vanish, so it is gone") is evidence, which the trained reader measures.
 */
import { readAnswer } from '../answer.js';
import { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { comparable, plainText } from '../plain.js';
import { segment } from '../sentences.js';

/**
 * How strongly the text speaks for each option: mentions less denied mentions. Equal values for all are no reading.
 */
export function ruleScores(text: string, options: readonly string[]): number[] {
  const answer = readAnswer(text, options);
  if (answer && answer.stated !== 'worded') return options.map((_, i) => (i === answer.option ? 1 : 0));
  const choices = new Choices(options);
  const scores = options.map(() => 0);
  for (const { start, end } of segment(text)) {
    const sentence = plainText(text.slice(start, end)).trim();
    const sign = denies(sentence) ? -1 : 1;
    for (const option of mentionedIn(sentence, choices)) scores[option]! += sign;
  }
  return scores;
}

/** The options that a sentence mentions; of options that hold each other the longest. */
function mentionedIn(sentence: string, choices: Choices): Set<number> {
  const found = new Set(choices.mentions(sentence).map(({ index }) => index));
  const place = /\bthe\s+(?:first|second|third|fourth|fifth)\s+option\b/i.exec(sentence);
  const ordinal = place ? choices.ordinalAt(sentence.slice(place.index)) : undefined;
  if (ordinal !== undefined) found.add(ordinal);
  let words = ` ${comparable(sentence)} `;
  const byLength = choices.texts
    .map((text, i) => ({ text, i }))
    .sort((a, b) => b.text.length - a.text.length);
  for (const { text, i } of byLength) {
    if (text === '' || !words.includes(` ${text} `)) continue;
    found.add(i);
    words = words.replaceAll(` ${text} `, ' \n ');
  }
  return found;
}
