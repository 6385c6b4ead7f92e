/** Words that name an answer, in English. */
import type { Language } from './language.js';

const GRADE = '(?:most|more)\\s+\\w+|correct|right|best|final|accurate|appropriate|true|likely|only|logical';
const VERDICT = `(?:is|as|being|would be|seems|appears|remains|to be)\\s+(?:indeed\\s+|clearly\\s+)?(?:the\\s+)?(?:${GRADE}|answer)\\b`;

export const ENGLISH: Language = {
  code: 'en',
  spaced: true,
  answer: 'answer',
  choice: `option|choice|(?<=(?:${GRADE})\\s+)one`,
  option: 'options?|choices?|answers?|hints?',
  grade: GRADE,
  is: "is|are|was|would be|should be|must be|has to be|seems to be|appears to be|will be|isn['’]t|wasn['’]t|cannot be|can['’]t be",
  fill: 'the|most likely|likely|clearly|therefore|thus|indeed|probably|definitely|that|either|both|letter',
  of: 'to|for|here|among|from|based|given|in|that',
  choose:
    '(?:choose|chose|select|selected|pick|picked|go with|conclude|concluded|(?:corresponds|points|leads|matches) (?:to|with)|matches|aligns with)(?:\\s+that)?',
  right: VERDICT,
  after: 'because|since|as|is|was|with|for|based|due|given|which|that|where|in this|here|but|not',
  so: 'therefore|thus|hence|consequently|overall|in conclusion|in summary|to conclude|so(?=,|:?\\s+[(⟦]?[A-Z][)⟧]?\\s*(?:[.!]|$|\\n))',
  points:
    "(?:it|this|that|which|answer|one|option|choice|pick|guess|selection|possibility|candidate|fit|match)(?:\\s+\\w+){0,4}?\\s+(?:is|be)|it['’]s|that['’]s|leav(?:es|ing)|correct|ans|so|ergo|(?<=^\\W*)(?:final|response|prediction|output|result|verdict|decision)(?=\\s*:)",
  not: "not|never|neither|nor|cannot|no|\\w+n['’]t|incorrect|wrong|unlikely",
  notAfter:
    "(?:is|was|seems|looks|can(?:not)? be|would be)(?:n['’]t)?\\s+(?:not|wrong|incorrect|unlikely|ruled out|out)|isn['’]t|cannot|can['’]t",
  but: 'but(?:\\s+rather)?|rather|instead',
  or: 'or|and',
  none: 'none|neither|nothing|no (?:option|answer|choice)|unknown|unclear|uncertain|cannot be|can ?not|unable|n/a|not (?:sure|certain|possible|given|visible|enough|listed|among|in the)|insufficient|all of',
  other: 'other|next|first|second|third|fourth|another|each|incorrect|wrong|possible|every|eliminated|worst',
  doubt:
    "if|whether|unless|suppose|doubt(?: that)?|(?:\\w*n['’]t|not) (?:think|believe|say)(?: that)?|not the case(?: that)?|(?:might|may|could|would|some) (?:think|say|guess|assume|argue|believe)(?: that)?|tempting to (?:think|say)(?: that)?",
  correct: 'correct|right|true|yes|best|supported|matches',
  wrong:
    'incorrect|not correct|wrong|false|no|not supported|unsupported|ruled out|eliminated|unlikely|not shown',
  words: 'AI',
};
