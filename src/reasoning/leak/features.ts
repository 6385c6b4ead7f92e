/** What the leak check's trained reader sees of an option: hashed features of the question, the option and the text. */
import { Choices } from '../choices.js';
import { denies } from '../cues.js';
import { tellingStems } from '../optionWords.js';
import { plainText } from '../plain.js';
import { segment } from '../sentences.js';
import { stemsOf } from '../stems.js';
import { ruleScores } from './rule.js';

/** Places of the table of weights. */
export const TABLE = 1 << 18;

/** Sparse features of one option. Most have the value of their neighbours, which is kept once for all of them. */
export interface Features {
  /** Places of the table. */
  at: Int32Array;
  /** Where each run of one value ends in `at`, ascending, and that value. */
  ends: Int32Array;
  values: Float32Array;
}

export interface Asked {
  question: string;
  options: readonly string[];
}

/** Features of every option; those of the question alone where there is no text. */
export function featuresOf({ question, options }: Asked, text: string): Features[] {
  const asked = new Set(stemsOf(question));
  const telling = tellingStems(options);
  const seen = text === '' ? undefined : new Reading(text, options);
  return options.map((option, i) => {
    const list = new List();
    const own = telling[i]!;
    list.add(`place ${i}`, 0.5);
    list.add(`option ${option.toLowerCase()}`, 0.5);
    list.add('length', Math.min(1, option.length / 100));
    list.all(
      [...own].flatMap((stem) => [`stem ${stem}`, ...[...asked].map((other) => `asked ${other} ${stem}`)]),
    );
    seen?.add(list, i, own);
    return list.features();
  });
}

/** A text read for its options. */
class Reading {
  private readonly sentences: { stems: string[]; denied: boolean }[];
  private readonly stems: Set<string>;
  private readonly byRule: number[];
  private readonly letters: number[];

  constructor(text: string, options: readonly string[]) {
    this.sentences = segment(text).map(({ start, end }) => {
      const sentence = text.slice(start, end);
      return { stems: stemsOf(sentence), denied: denies(sentence) };
    });
    this.stems = new Set(this.sentences.flatMap(({ stems }) => stems));
    const scores = ruleScores(text, options);
    const most = Math.max(...scores.map(Math.abs), 1);
    this.byRule = scores.map((score) => score / most);
    this.letters = new Choices(options).mentions(plainText(text)).map(({ index }) => index);
  }

  add(list: List, option: number, own: ReadonlySet<string>): void {
    list.add('rule', this.byRule[option]!);
    list.add('letter', Math.min(1, this.letters.filter((index) => index === option).length / 2));
    const share = (stems: ReadonlySet<string>) =>
      own.size === 0 ? 0 : [...own].filter((stem) => stems.has(stem)).length / own.size;
    list.add('share of its words', share(this.stems));
    const holding = this.sentences.map(({ stems }) => stems.some((stem) => own.has(stem)));
    const said = this.sentences.filter(({ denied }, i) => holding[i] && !denied).length;
    const denied = this.sentences.filter((sentence, i) => holding[i] && sentence.denied).length;
    list.add('sentences', Math.min(1, said / 3));
    list.add(`said in ${Math.min(said, 4)}`, 0.5);
    list.add(`denied in ${Math.min(denied, 2)}`, 0.5);
    list.add('first', holding[0] ? 0.5 : 0);
    list.add('last', holding.at(-1) ? 0.5 : 0);
    list.all(this.contexts(own));
    list.all([...own].flatMap((stem) => [...this.stems].map((other) => `text ${other} ${stem}`)));
  }

  /** The words beside the option's own. */
  private contexts(own: ReadonlySet<string>): string[] {
    return this.sentences.flatMap(({ stems }) =>
      stems.flatMap((stem, i) =>
        own.has(stem) ? [-2, -1, 1, 2].map((step) => `beside ${step} ${stems[i + step] ?? 'end'}`) : [],
      ),
    );
  }
}

/** Features as they are gathered. */
class List {
  private readonly at: number[] = [];
  private readonly ends: number[] = [];
  private readonly values: number[] = [];

  add(name: string, value: number): void {
    if (value === 0) return;
    this.at.push(placeOf(name));
    if (value !== this.values.at(-1)) {
      this.values.push(value);
      this.ends.push(0);
    }
    this.ends[this.ends.length - 1] = this.at.length;
  }

  /** Names of one kind share a length of 1. */
  all(names: readonly string[]): void {
    for (const name of names) this.add(name, 1 / Math.sqrt(names.length));
  }

  features(): Features {
    const { at, ends, values } = this;
    return { at: Int32Array.from(at), ends: Int32Array.from(ends), values: Float32Array.from(values) };
  }
}

/** FNV-1a, folded onto the table. */
function placeOf(name: string): number {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return ((hash >>> 14) ^ hash) & (TABLE - 1);
}
