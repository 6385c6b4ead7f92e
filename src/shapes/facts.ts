/** Reads what a text says happened: the facts that scores of open answers compare. No model is asked. */
import { COLOURS, DIRECTIONS, SHAPES } from './scene.js';

/** One thing that an object did or that happened to it. */
export interface Fact {
  /** "red star", "red object", or "it". */
  subject: string;
  /** "moved left", "moved away", "touched", "vanished", "shrank", "grew", "changed colour", "turned red", "stayed still". */
  verb: string;
  /** The touched object, named as a subject is. */
  target?: string;
}

const oneOf = (words: readonly string[]) => `(?:${words.join('|')})`;
const COLOUR = oneOf(COLOURS);
const WAY = oneOf(DIRECTIONS);
const NAME = `(?:the |an? )?(${COLOUR} ${oneOf([...SHAPES, 'object'])})`;
const TOLD = new RegExp(`^(?:then |also |so )?(?:(?:${NAME}|(it)) )?(.+)$`);
const WAYS = new RegExp(`^${WAY}$`);
const TOUCH = new RegExp(`^touch(?:es|ed)? (?:${NAME}|(it))$`);

/** Forms of each verb and the fact that they tell; `$1` is what the form captured. */
const VERBS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^moved?s? (${WAY})$`), 'moved $1'],
  [new RegExp(`^(?:is |was )?pushed (${WAY})$`), 'moved $1'],
  [/^(?:moved?s?|(?:is |was )?pushed) away$/, 'moved away'],
  [/^vanish(?:es|ed)?$/, 'vanished'],
  [/^(?:shrinks?|shrank)$/, 'shrank'],
  [/^(?:grows?|grew)$/, 'grew'],
  [/^changed?s? colour$/, 'changed colour'],
  [new RegExp(`^turn(?:s|ed)? (${COLOUR})$`), 'turned $1'],
  [/^(?:stays?|stayed) still$/, 'stayed still'],
];

/** Words with which a sentence states nothing. */
const HEDGED = /\b(?:or|not|no|never|maybe|perhaps|possibly|might|may|could)\b/;

/** Longer texts are cut: no answer of this world has 2,000 characters. */
const LONGEST = 2000;

/**
 * The facts that a text states, each once, in order. A clause without a subject has the one before it. Sentences that offer
 * several possibilities or deny something state none, nor does a clause of another form.
 */
export function factsIn(text: string): Fact[] {
  const facts: Fact[] = [];
  for (const sentence of text
    .slice(0, LONGEST)
    .toLowerCase()
    .split(/[.;!?\n]/)) {
    if (HEDGED.test(sentence)) continue;
    let subject = 'it';
    for (const clause of sentence.split(/,|\band\b|\bthen\b/)) {
      const told = TOLD.exec(clause.trim().replace(/\s+/g, ' '));
      if (!told) continue;
      subject = told[1] ?? told[2] ?? subject;
      const fact = factOf(subject, whole(told[3]!, facts.at(-1)));
      if (fact && !facts.some((known) => JSON.stringify(known) === JSON.stringify(fact))) facts.push(fact);
    }
  }
  return facts;
}

/** "left and right" after "moved" tells two motions. */
function whole(deed: string, before: Fact | undefined): string {
  return WAYS.test(deed) && before?.verb.startsWith('moved ') ? `moved ${deed}` : deed;
}

function factOf(subject: string, deed: string): Fact | undefined {
  const touch = TOUCH.exec(deed);
  if (touch) return { subject, verb: 'touched', target: (touch[1] ?? touch[2])! };
  for (const [form, verb] of VERBS) {
    const match = form.exec(deed);
    if (match) return { subject, verb: verb.replace('$1', match[1] ?? '') };
  }
  return undefined;
}

/** Whether two facts say the same: "the red object" may be any red shape. */
export function isSame(one: Fact, other: Fact): boolean {
  return one.verb === other.verb && isAlike(one.subject, other.subject) && isAlike(one.target, other.target);
}

function isAlike(one = '', other = ''): boolean {
  if (one === other) return true;
  const [colour, shape] = one.split(' ');
  const [otherColour, otherShape] = other.split(' ');
  return colour === otherColour && (shape === 'object' || otherShape === 'object');
}

/** What follows from a fact besides: who is pushed left has moved away, who turns red has changed colour. */
export function impliedBy({ subject, verb, target }: Fact): Fact[] {
  if (DIRECTIONS.some((way) => verb === `moved ${way}`)) return [{ subject, verb: 'moved away' }];
  if (verb.startsWith('turned ')) return [{ subject, verb: 'changed colour' }];
  return verb === 'touched' && target !== undefined ? [{ subject: target, verb, target: subject }] : [];
}
