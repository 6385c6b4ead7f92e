/** WordNet's own files: base forms of words, synsets, and the similarity of Wu and Palmer, as NLTK computes it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../base/errors.js';

const PARTS = ['noun', 'verb', 'adj', 'adv'] as const;
/** Parts of speech in the order in which a word's synsets are listed. */
export type Part = (typeof PARTS)[number];

/** Endings that may be taken off, with what replaces them (WordNet, morph). */
const RULES: Record<Part, readonly (readonly [string, string])[]> = {
  noun: [
    ['s', ''],
    ['ses', 's'],
    ['ves', 'f'],
    ['xes', 'x'],
    ['zes', 'z'],
    ['ches', 'ch'],
    ['shes', 'sh'],
    ['men', 'man'],
    ['ies', 'y'],
  ],
  verb: [
    ['s', ''],
    ['ies', 'y'],
    ['es', 'e'],
    ['es', ''],
    ['ed', 'e'],
    ['ed', ''],
    ['ing', 'e'],
    ['ing', ''],
  ],
  adj: [
    ['er', ''],
    ['est', ''],
    ['er', 'e'],
    ['est', 'e'],
  ],
  adv: [],
};

/** The root that verbs, adjectives and adverbs are given, which have none in common. */
const ROOT: Synset = { key: '*ROOT*', name: '*ROOT*', part: 'noun', hypernyms: [], minDepth: 0, maxDepth: 0 };

interface Synset {
  /** Part and offset. */
  key: string;
  /** First word, part and sense number, `dog.n.01`; it decides between equally deep common hypernyms. */
  name: string;
  part: Part;
  hypernyms: Synset[];
  /** Fewest and most steps to a synset without hypernyms. */
  minDepth: number;
  maxDepth: number;
}

interface Tables {
  /** Offsets of each word's synsets, the most usual sense first. */
  index: Map<string, string[]>;
  /** Base forms of irregular ones. */
  exceptions: Map<string, string[]>;
  data: Buffer;
}

export class WordNet {
  private readonly synsets = new Map<string, Synset>();

  private constructor(
    private readonly tables: Record<Part, Tables>,
    /** Whether the folder has lists of irregular forms; without them `ran` and `feet` stay as they are. */
    readonly hasExceptions: boolean,
  ) {}

  /**
   * Reads a folder of WordNet 3.0 or 3.1: index.*, data.* and, where they are, *.exc.
   *
   * @throws DataError for a folder without these files
   */
  static async load(folder: string): Promise<WordNet> {
    const read = (name: string) =>
      readFile(join(folder, name)).catch((cause) => {
        const needed = 'index.noun, data.noun and so on (WordNet 3.0 or 3.1, its folder dict)';
        throw new DataError(`${join(folder, name)}: cannot be read; expected a folder with ${needed}`, {
          cause,
        });
      });
    let exceptions = 0;
    const tables = await Promise.all(
      PARTS.map(async (part): Promise<[Part, Tables]> => {
        const irregular = await readFile(join(folder, `${part}.exc`), 'utf8').catch(() => '');
        if (irregular !== '') exceptions++;
        const [index, data] = await Promise.all([read(`index.${part}`), read(`data.${part}`)]);
        return [part, { index: indexOf(index), exceptions: exceptionsOf(irregular), data }];
      }),
    );
    if (tables.every(([, { index }]) => index.size === 0))
      throw new DataError(`${folder}: expected files of WordNet, got no word in any of them`);
    return new WordNet(Object.fromEntries(tables) as Record<Part, Tables>, exceptions > 0);
  }

  /** The forms of a word that WordNet has as this part of speech: itself, then its base forms. */
  forms(word: string, part: Part): string[] {
    const { index, exceptions } = this.tables[part];
    const known = (forms: readonly string[]) => [...new Set(forms)].filter((form) => index.has(form));
    const irregular = exceptions.get(word);
    if (irregular) return known([word, ...irregular]);
    let forms = shortened([word], part);
    const first = known([word, ...forms]);
    if (first.length > 0) return first;
    while (forms.length > 0) {
      forms = shortened(forms, part);
      const found = known(forms);
      if (found.length > 0) return found;
    }
    return [];
  }

  /** The shortest of the forms, or the word itself where there is none (NLTK's lemmatizer). */
  lemma(word: string, part: Part): string {
    const [first, ...rest] = this.forms(word, part);
    return first === undefined ? word : rest.reduce((a, b) => (b.length < a.length ? b : a), first);
  }

  /** Whether any part of speech has the word. */
  has(word: string): boolean {
    return PARTS.some((part) => this.forms(word, part).length > 0);
  }

  /** Similarity of the first synsets of two words, in [0, 1]; 0 where a word has none or they have no hypernym in common. */
  similarity(a: string, b: string): number {
    const [first, second] = [this.firstSynset(a), this.firstSynset(b)];
    return first && second ? wuPalmer(first, second) : 0;
  }

  private firstSynset(word: string): Synset | undefined {
    const lower = word.toLowerCase();
    for (const part of PARTS)
      for (const form of this.forms(lower, part)) {
        const offset = this.tables[part].index.get(form)?.[0];
        if (offset !== undefined) return this.synset(part, offset);
      }
    return undefined;
  }

  private synset(part: Part, offset: string): Synset {
    const key = `${part} ${offset}`;
    const known = this.synsets.get(key);
    if (known) return known;
    const { data, index } = this.tables[part];
    const start = Number(offset);
    const fields = data.toString('latin1', start, data.indexOf('\n', start)).split(' | ', 1)[0]!.split(' ');
    if (fields[0] !== offset)
      throw new DataError(`data.${part}: no synset at ${offset}; do index and data files belong together?`);
    const words = Number.parseInt(fields[3]!, 16);
    const word = fields[4]!.replace(/\(.*\)$/, '').toLowerCase();
    const sense = (index.get(word)?.indexOf(offset) ?? -1) + 1;
    const hypernyms: Synset[] = [];
    const pointers = 4 + 2 * words;
    for (let at = pointers + 1; at < pointers + 1 + 4 * Number(fields[pointers]); at += 4)
      if (fields[at] === '@' || fields[at] === '@i') hypernyms.push(this.synset(part, fields[at + 1]!));
    const synset: Synset = {
      key,
      name: `${word}.${fields[2]}.${String(sense).padStart(2, '0')}`,
      part,
      hypernyms,
      minDepth: hypernyms.length === 0 ? 0 : 1 + Math.min(...hypernyms.map(({ minDepth }) => minDepth)),
      maxDepth: hypernyms.length === 0 ? 0 : 1 + Math.max(...hypernyms.map(({ maxDepth }) => maxDepth)),
    };
    this.synsets.set(key, synset);
    return synset;
  }
}

const shortened = (forms: readonly string[], part: Part) =>
  forms.flatMap((form) =>
    RULES[part]
      .filter(([ending]) => form.endsWith(ending))
      .map(([ending, instead]) => form.slice(0, form.length - ending.length) + instead),
  );

/** Lines of `word part synsets pointers [pointer ...] senses tagged offset ...`; the licence is in lines that begin with a blank. */
function indexOf(bytes: Buffer): Map<string, string[]> {
  const index = new Map<string, string[]>();
  for (const line of bytes.toString('latin1').split('\n')) {
    if (line === '' || line.startsWith(' ')) continue;
    const fields = line.trimEnd().split(' ');
    index.set(fields[0]!, fields.slice(-Number(fields[2])));
  }
  return index;
}

function exceptionsOf(text: string): Map<string, string[]> {
  const exceptions = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [word, ...forms] = line.trim().split(/\s+/);
    if (word) exceptions.set(word, forms);
  }
  return exceptions;
}

/**
 * 2 d / (l1 + l2): d is the depth of the deepest common hypernym, counted from 1 along its longest path, and l are the lengths of the
 * shortest ways to it plus d. Nouns have one root; where another part of speech is compared, a common root is put above all.
 */
function wuPalmer(a: Synset, b: Synset): number {
  const rooted = a.part !== 'noun' || b.part !== 'noun';
  const [fromA, fromB] = [distances(a, rooted), distances(b, rooted)];
  const common = [...fromA.keys()].filter((synset) => fromB.has(synset));
  if (common.length === 0) return 0;
  const deepest = Math.max(...common.map(({ minDepth }) => minDepth));
  const lowest = common.filter(({ minDepth }) => minDepth === deepest);
  const chosen = lowest.includes(a) ? a : lowest.reduce((x, y) => (y.name < x.name ? y : x));
  const depth = chosen.maxDepth + 1;
  const length = (own: ReadonlyMap<Synset, number>) => distance(own, distances(chosen, rooted)) + depth;
  return (2 * depth) / (length(fromA) + length(fromB));
}

/** Steps from a synset to each of its hypernyms, the fewest, itself included. */
function distances(synset: Synset, rooted: boolean): Map<Synset, number> {
  const steps = new Map<Synset, number>([[synset, 0]]);
  if (synset === ROOT) return steps;
  for (const [at, step] of steps)
    for (const above of at.hypernyms) if (!steps.has(above)) steps.set(above, step + 1);
  // The root is a step above the farthest hypernym.
  if (rooted) steps.set(ROOT, Math.max(...steps.values()) + 1);
  return steps;
}

/** The shortest way between two synsets over a hypernym of both. */
function distance(a: ReadonlyMap<Synset, number>, b: ReadonlyMap<Synset, number>): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (const [synset, steps] of a) shortest = Math.min(shortest, steps + (b.get(synset) ?? shortest));
  return shortest;
}
