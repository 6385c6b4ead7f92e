/** Words that name an answer, in English. */
import type { Language } from './language.js';

/** "More general" and the like speak against an option. */
const DEGREE =
  '(?:most|more)\\s+(?!(?:general|generic|vague|broad|speculative|ambiguous|abstract|unlikely|unrelated|irrelevant|improbable|implausible|doubtful|of|about|like|tempting)\\b)\\w+';
const GRADE = `${DEGREE}|correct|right|best|final|accurate|appropriate|true|likely|only|logical`;
/** "C is the only one" and "C is only a part" differ. */
const BARE_GRADE = GRADE.replace('|only', '|preferable|preferred|superior');
/** Before nouns that name an answer only when graded. */
const FIRM = '(?:most|more)\\s+\\w+|correct|right|best|likely|plausible|closest';
const VERDICT = `(?:is|as|being|(?:would|seems to|appears to|has to|must|should|will) be|seems|appears|remains|to be)\\s+(?:indeed\\s+|clearly\\s+)?(?:(?:the|my)\\s+(?:${GRADE}|answer)|${BARE_GRADE}|answer)\\b`;

const NO = "\\w*n['’]t|not|cannot|never|unable to|impossible to|difficult to|hard to";
const THINK =
  'think|believe|say|guess|assume|argue|conclude|confirm|claim|determine|guarantee|be sure|be certain|infer|state';
const HARD =
  'wrong|incorrect|tempted|tempting|mistake|mistaken|premature|unreasonable|hesitant|reluctant|impossible|hard|difficult|absurd|unreasonable';

export const ENGLISH: Language = {
  code: 'en',
  spaced: true,
  answer: 'answer',
  choice: `option|choice|(?<=(?:option|answer|choice)\\s+)letter|(?<=(?:${FIRM})\\s+)(?:one|letter|response|explanation|description|reason|interpretation|match|fit|guess)`,
  option: 'options?|choices?|answers?|hints?',
  grade: GRADE,
  is: "is|are|was|would be|should be|must be|has to be|seems to be|appears to be|will be|isn['’]t|wasn['’]t|cannot be|can['’]t be",
  fill: 'the|most likely|likely|currently|clearly|therefore|thus|indeed|probably|definitely|that|either|both|letter',
  of: 'to|for|here|among|from|based|given|in|that',
  choose:
    '(?:choose|chose|(?<=ve )chosen|select|selected|pick|picked|go (?:with|for)|vote (?:is|goes to)|conclude|concluded|(?:corresponds|points|leads|matches) (?:to|with)|matches|aligns with)(?:\\s+that)?',
  right: VERDICT,
  after:
    'and not|rather than|instead of|over|because|since|as|is|was|with|for|based|due|given|which|that|where|in this|here|but|not',
  so: 'therefore|thus|hence|consequently|overall|in conclusion|in summary|to conclude|to sum up|all in all|on balance|so(?=,|:?\\s+[(⟦]?[A-Z][)⟧]?\\s*(?:[.!]|$|\\n))',
  points:
    "(?:it|this|that|which|answer|one|option|choice|pick|guess|selection|possibility|candidate|fit|match)(?:\\s+\\w+){0,4}?\\s+(?:is|be)|it['’]s|that['’]s|leav(?:es|ing)(?: us| me)?(?: only| with)*|(?:which|this|that) means|(?<=^|\\p{L}{2}[.!?] )yes(?=, )|(?<=^\\W*)tl;?dr(?=:)|(?:eliminat|exclud|discard|dismiss|remov|rul)(?:e|es|ed|ing)\\b[^.!?]{1,80}?\\s(?:gives?|yields?|gets?|leaves?)(?: us| me)?(?: only| with)*|(?:look|seem|sound|feel)s? like(?: it['’]s| it is)?|correct|ans|so|ergo|(?<=(?:^|[.!?]\\s)\\W*)(?:final|response|prediction|selection|pick|output|result|verdict|decision|assistant|a)(?=\\s*:)",
  not: "not|never|neither|nor|cannot|no|\\w+n['’]t|incorrect|wrong|unlikely",
  notAfter:
    "(?:is|was|seems|looks|can(?:not)? be|would be)(?:n['’]t)?\\s+(?:not|wrong|incorrect|unlikely|ruled out|out)|isn['’]t|cannot|can['’]t",
  but: 'but(?:\\s+rather)?|rather|instead',
  or: 'or|and then|and',
  none: 'none|neither|nothing|no (?:option|answer|choice)|unknown|unclear|uncertain|cannot be|can ?not|unable|n/a|(?:it )?depends?|dependent|moot|not (?:known|sure|certain|possible|given|visible|enough|listed|among|in the)|insufficient|all of',
  other:
    '(?:people|viewers|others|someone|many|some)(?: would| might| may| could)?|other|least(?:\\s+\\w+)?|less(?:\\s+\\w+)?|next|first|second|third|fourth|another|each|incorrect|wrong|possible|every|eliminated|worst',
  doubt: `initially|at first(?: glance| sight)?|if|whether|unless|suppose|doubt(?: that)?|(?:${NO}) (?:\\w+ )?(?:${THINK})(?: that)?|not the case(?: that)?|(?:might|may|could|(?<!\\b(?:i|we) )would|some|someone|one) (?:${THINK})(?: that)?|(?:${HARD}) (?:to(?: (?:${THINK}))?|that)(?: that)?|(?:no|little|any) (?:evidence|indication|reason|sign|proof|support)(?: \\w+){0,2}? (?:that|to \\w+|for)|unlikely that`,
  correct: 'correct|right|true|yes|best|supported|matches',
  wrong:
    'incorrect|not correct|wrong|false|no|not supported|unsupported|ruled out|eliminated|unlikely|not shown',
  words: 'AI',
};
