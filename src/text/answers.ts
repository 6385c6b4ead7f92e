/**
 * Reads the chosen option out of generated text: a single-task model writes `Option C` after its reasoning, a teacher
 * writes `###Answer: C` or one of the closing phrases of the paper's appendix A.4.
 */

/** Words between "answer" and the letter: `**Answer**: C`, `answer is: (C)`, `Answer - Option C`. */
const ANSWER =
  /\banswer\b[\s*_:#-]*(?:is|would be|should be)?[\s*_:#("'-]*(?:option\s*)?[\s*_("'-]*([A-Za-z])(?![A-Za-z'’])/gi;
const OPTION = /\boption[\s*_:#("'-]*([A-Za-z])(?![A-Za-z'’])/gi;
const CHOICE = /\b(?:choice|choose|select|pick)[\s*_:#("'-]+(?:option\s*)?[("']*([A-Z])(?![A-Za-z'’])/g;

/** The text is a letter, or starts with one set off as a label: `C`, `(C)`, `C.`, `C: a ball`. */
const BARE = /^[\s*_("'[]*([A-Za-z])[\s*_.)"'\]]*$/;
const LABEL = /^[\s*_("'[]*([A-Z])[)\].:](?:\s|$)/;

/**
 * The 0-based option that `text` settles on, or undefined when it names none of the first `optionCount`. A phrase
 * with "answer" outranks "Option X", which reasoning also uses to discuss options; within a rank the last one counts.
 */
export function parseAnswer(text: string, optionCount: number): number | undefined {
  for (const pattern of [ANSWER, OPTION, CHOICE]) {
    const index = lastLetter(text, pattern, optionCount);
    if (index !== undefined) return index;
  }
  for (const pattern of [BARE, LABEL]) {
    const match = pattern.exec(text.trim());
    const index = match ? letterIndex(match[1]!, optionCount) : undefined;
    if (index !== undefined) return index;
  }
  return undefined;
}

function lastLetter(text: string, pattern: RegExp, optionCount: number): number | undefined {
  let found: number | undefined;
  for (const match of text.matchAll(pattern)) {
    const letter = match[1]!;
    const rest = text.slice(match.index + match[0].length);
    if (isArticle(letter, rest, match[0])) continue;
    found = letterIndex(letter, optionCount) ?? found;
  }
  return found;
}

/** "The answer is a ball": an "a" before a word is an article, unless "Option" or a bracket marks it as a label. */
function isArticle(letter: string, rest: string, matched: string): boolean {
  if (letter.toUpperCase() !== 'A' || /option[\s*_:#("'-]*.$/i.test(matched)) return false;
  return /^ +(?!(?:because|since|as|due|for|which|is|and|with)\b)[a-z]/.test(rest);
}

function letterIndex(letter: string, optionCount: number): number | undefined {
  const index = letter.toUpperCase().charCodeAt(0) - 65;
  return index >= 0 && index < optionCount ? index : undefined;
}
