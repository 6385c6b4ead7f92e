/**
 * Porter's stemmer (1980) as NLTK changed it, which Google's rouge_score uses: `flies` is `fli`, `enjoy` stays. Both
 * agree on all words of test/rewards/porter.test.ts.
 */

const IRREGULAR = new Map(
  (
    'sky sky|skies sky|dying die|lying lie|tying tie|news news|innings inning|inning inning|outings outing|outing outing|' +
    'cannings canning|canning canning|howe howe|proceed proceed|exceed exceed|succeed succeed'
  )
    .split('|')
    .map((pair) => pair.split(' ') as [string, string]),
);

type Condition = (stem: string, word: string) => boolean;

/** An ending, what takes its place, and when it does. The first ending that a word has decides, whether it is replaced or not. */
type Rule = readonly [ending: string, instead: string, condition?: Condition];

/** `ational ate` and so on, all under one condition. */
const rules = (table: string, condition: Condition): Rule[] =>
  table.split('|').map((rule): Rule => {
    const [ending, instead = ''] = rule.split(' ');
    return [ending!, instead, condition];
  });

const measured: Condition = (stem) => measure(stem) > 0;
const longer: Condition = (stem) => measure(stem) > 1;

const PLURAL: Rule[] = [
  ['sses', 'ss'],
  ['ies', 'i'],
  ['ss', 'ss'],
  ['s', ''],
];
const SECOND: Rule[] = [
  ...rules(
    'ational ate|tional tion|enci ence|anci ance|izer ize|bli ble|alli al|entli ent|eli e|ousli ous|ization ize|ation ate|' +
      'ator ate|alism al|iveness ive|fulness ful|ousness ous|aliti al|iviti ive|biliti ble|fulli ful',
    measured,
  ),
  ['logi', 'log', (_, word) => measure(word.slice(0, -3)) > 0],
];
const THIRD = rules('icate ic|ative|alize al|iciti ic|ical ic|ful|ness', measured);
const FOURTH: Rule[] = [
  ...rules('al|ance|ence|er|ic|able|ible|ant|ement|ment|ent', longer),
  ['ion', '', (stem) => measure(stem) > 1 && /[st]$/.test(stem)],
  ...rules('ou|ism|ate|iti|ous|ive|ize', longer),
];
const DOUBLE_L: Rule[] = [['ll', 'l', (_, word) => measure(word.slice(0, -1)) > 1]];

/** @param word in lower case */
export function porterStem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length <= 2) return word;
  const singular = /^.ies$/.test(word) ? `${word[0]}ie` : replaced(word, PLURAL);
  const present = withoutY(withoutPast(singular));
  return replaced(withoutE(replaced(replaced(second(present), THIRD), FOURTH)), DOUBLE_L);
}

function replaced(word: string, table: readonly Rule[]): string {
  const rule = table.find(([ending]) => word.endsWith(ending));
  if (!rule) return word;
  const [ending, instead, condition] = rule;
  const stem = word.slice(0, word.length - ending.length);
  return !condition || condition(stem, word) ? stem + instead : word;
}

function withoutPast(word: string): string {
  if (word.endsWith('ied')) return word.length === 4 ? `${word[0]}ie` : `${word.slice(0, -3)}i`;
  if (word.endsWith('eed')) return replaced(word, [['eed', 'ee', measured]]);
  const ending = ['ed', 'ing'].find((each) => word.endsWith(each));
  const stem = ending && word.slice(0, -ending.length);
  if (!stem || !kinds(stem).includes('v')) return word;
  if (/(?:at|bl|iz)$/.test(stem)) return `${stem}e`;
  if (endsDouble(stem)) return /[lsz]$/.test(stem) ? stem : stem.slice(0, -1);
  return measure(stem) === 1 && endsShort(stem) ? `${stem}e` : stem;
}

function withoutY(word: string): string {
  const stem = word.slice(0, -1);
  return word.endsWith('y') && stem.length > 1 && kinds(stem).endsWith('c') ? `${stem}i` : word;
}

function second(word: string): string {
  const stem = word.slice(0, -4);
  return word.endsWith('alli') && measure(stem) > 0 ? second(`${stem}al`) : replaced(word, SECOND);
}

function withoutE(word: string): string {
  if (!word.endsWith('e')) return word;
  const stem = word.slice(0, -1);
  const m = measure(stem);
  return m > 1 || (m === 1 && !endsShort(stem)) ? stem : word;
}

/** `c` for each consonant and `v` for each vowel; a y after a consonant is a vowel. */
function kinds(word: string): string {
  let kinds = '';
  for (const letter of word)
    kinds += /[aeiou]/.test(letter) || (letter === 'y' && kinds.endsWith('c')) ? 'v' : 'c';
  return kinds;
}

/** How often a vowel is followed by a consonant. */
const measure = (word: string): number => kinds(word).split('vc').length - 1;

const endsDouble = (word: string): boolean => /(.)\1$/.test(word) && kinds(word).endsWith('c');

/** Ends like `hop`, or is two letters like `at`. */
function endsShort(word: string): boolean {
  const form = kinds(word);
  return form === 'vc' || (form.endsWith('cvc') && !/[wxy]$/.test(word));
}
