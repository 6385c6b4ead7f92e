/** Words of English text as the Penn Treebank divides it, which the official metrics of captions and answers start from. */

/** Words that are two: `cannot` is `can not`. */
const JOINED: readonly (readonly [RegExp, string])[] = [
  [/^(can)(not)$/i, '$1 $2'],
  [/^(gon|wan)(na)$/i, '$1 $2'],
  [/^(got)(ta)$/i, '$1 $2'],
  [/^(gim|lem)(me)$/i, '$1 $2'],
  [/^('t)(is|was)$/i, '$1 $2'],
];

/** Abbreviations whose period is part of them; single letters and `u.s.` are known by their form. */
const ABBREVIATIONS = new Set(
  'mr mrs ms dr st jr sr vs prof etc inc ltd co corp e.g i.e no gen col sgt'.split(' '),
);

/**
 * The tokens of a text in its own capitals. Punctuation is split off, clitics as well (`don't` is `do n't`, `it's` is `it 's`);
 * hyphens, decimal points, thousands' commas and the periods of abbreviations stay in their word. A small tokenizer of our
 * own: Stanford's, which COCO's scripts run in Java, also knows addresses, dates and more abbreviations.
 */
export function treebankTokens(text: string): string[] {
  return text
    .replaceAll(/[\u2018\u2019\u201b]/g, "'")
    .replaceAll(/[\u201c\u201d\u201e]/g, '"')
    .replaceAll('\u2026', '...')
    .replaceAll(/[\u2013\u2014]/g, ' -- ')
    .replaceAll(/\.{2,}/g, ' ... ')
    .replaceAll(/--+/g, ' -- ')
    .replaceAll(/["`;?!()[\]{}<>@#$%&*=+~|\\]|''/g, ' $& ')
    .replaceAll(/[,:](?!\d)|(?<!\d)[,:]/g, ' $& ')
    .split(/\s+/)
    .filter(Boolean)
    .flatMap(wordTokens);
}

/** The tokens of a piece of text without blanks. */
function wordTokens(piece: string): string[] {
  const quoted = /^('+)(?!(?:t(?:is|was)|s|m|d|ll|re|ve|em)$)(.+)$/i.exec(piece);
  if (quoted) return [quoted[1]!, ...wordTokens(quoted[2]!)];
  const dotted = /^(.+?)(\.)('*)$/.exec(piece);
  if (dotted && !isAbbreviation(dotted[1]!))
    return [...wordTokens(dotted[1]!), '.', ...(dotted[3] ? [dotted[3]] : [])];
  const clitic = /^(.+?)('(?:s|m|d|ll|re|ve)|n't|'+)$/i.exec(piece);
  if (clitic && clitic[1] !== '') return [...wordTokens(clitic[1]!), clitic[2]!];
  for (const [form, parts] of JOINED) if (form.test(piece)) return piece.replace(form, parts).split(' ');
  return [piece];
}

function isAbbreviation(word: string): boolean {
  return /^(?:\p{L}\.)+\p{L}$/u.test(word) || ABBREVIATIONS.has(word.toLowerCase());
}
