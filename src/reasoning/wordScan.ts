/**
 * Finds which of many words begin in a text, in one step a sign whatever their number: a finite automaton whose states are
 * made when they are first reached. A state is the set of words that are under way (Aho and Corasick, 1975, with the
 * condition that a word begins where no other one is).
 */

/** Ends a text of the scan where its word has to end too. */
export const WORD_END = '\b';

/** Stands in a text for any control character or one that English prose does not have. */
export const STRANGE = '\uFFFD';
/** Stands in a text for any sign of prose that the scan has no name for. */
export const OTHER = '.';

/** Letters of either case, digits, and the signs that texts may have beside; all others of prose are one. */
export const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DIGIT = 53;
const SIGNS = ` ,'-=>:*_\`["{~<\\${STRANGE}`;
/** All signs of the scan but letters, digits and the space. */
export const GAPS = [...SIGNS.slice(1), OTHER];
const CLASSES = 128;
const CLASS = Uint8Array.from({ length: 128 }, (_, code) => {
  const sign = String.fromCharCode(code);
  if (/\d/.test(sign)) return DIGIT;
  if (/[^\n\r\t\x20-\x7E]/.test(sign)) return DIGIT + 1 + SIGNS.indexOf(STRANGE);
  if (LETTERS.includes(sign)) return LETTERS.indexOf(sign) + 1;
  return SIGNS.includes(sign) ? DIGIT + 1 + SIGNS.indexOf(sign) : 0;
});
const APOSTROPHE = CLASS[39] as number;

function classOf(code: number): number {
  if (code < 128) return CLASS[code] as number;
  if (code === 0x2018 || code === 0x2019) return APOSTROPHE;
  return /[–—…•]/.test(String.fromCharCode(code)) ? 0 : (CLASS[0] as number);
}

const isWord = (sign: number) => sign > 0 && sign <= DIGIT;
const isLetter = (sign: number) => sign > 0 && sign < DIGIT;

/** A word's letters so far, or those of several with the same beginning. */
interface Node {
  next: Map<number, Node>;
  /** What stands here for the words that end, and for those that end with a word of the text. */
  mark: number;
  whole: number;
}

/** What stands before a sign: no word; a word; a word and its apostrophe. */
type Before = 'gap' | 'word' | 'joined';

interface State {
  before: Before;
  nodes: ReadonlySet<Node>;
  mark: number;
}

const newNode = (): Node => ({ next: new Map(), mark: 0, whole: 0 });

export class WordScan {
  private readonly words = newNode();
  private readonly letters = newNode();
  private readonly states: State[] = [];
  /** The state behind each sign of each state; 0 until it is made. The text begins in state 1. */
  private next = new Uint16Array(256 * CLASSES);
  private marks = new Uint16Array(256);
  private readonly known = new Map<string, number>();
  private readonly names = new Map<Node, number>();

  /**
   * @param words pairs of a mark, of 16 bits, and the texts that it stands for, each perhaps with {@link WORD_END}. A small
   *   letter matches both cases, a capital itself. Of a text with another sign that the scan has no name for the beginning
   *   is looked for
   * @param letters the same, of texts that are not looked for behind an apostrophe in a word: the "s" of "man's"
   */
  constructor(words: readonly Marked[], letters: readonly Marked[]) {
    for (const [mark, texts] of words) for (const text of texts) add(this.words, text, mark);
    for (const [mark, texts] of letters) for (const text of texts) add(this.letters, text, mark);
    this.states.push({ before: 'gap', nodes: new Set(), mark: 0 });
    this.stateOf({ before: 'gap', nodes: new Set(), mark: 0 });
  }

  /** The marks of all texts that begin between two places, joined by "or"; no word stands across these. */
  marksIn(text: string, start: number, end: number): number {
    let { next, marks } = this;
    let found = 0;
    let state = 1;
    for (let at = start; at <= end; at++) {
      const sign = at < end ? classOf(text.charCodeAt(at)) : 0;
      let to = next[state * CLASSES + sign] as number;
      if (to === 0) {
        to = this.step(state, sign);
        ({ next, marks } = this);
      }
      found |= marks[to] as number;
      state = to;
    }
    return found;
  }

  /** Makes the state behind a sign. */
  private step(from: number, sign: number): number {
    const { before, nodes } = this.states[from] as State;
    const reached = new Set<Node>();
    let mark = 0;
    const go = (node: Node) => {
      for (const to of [node.next.get(sign), node.next.get(small(sign))]) if (to) reached.add(to);
    };
    for (const node of nodes) {
      if (!isWord(sign)) mark |= node.whole;
      go(node);
    }
    if (before !== 'word' || !isWord(sign)) go(this.words);
    if (before === 'gap') go(this.letters);
    for (const node of reached) mark |= node.mark;
    const joins = sign === APOSTROPHE && before === 'word';
    const to = this.stateOf({
      before: isWord(sign) ? 'word' : joins ? 'joined' : 'gap',
      nodes: reached,
      mark,
    });
    this.next[from * CLASSES + sign] = to;
    return to;
  }

  private stateOf(state: State): number {
    const names = [...state.nodes].map((node) => {
      const name = this.names.get(node) ?? this.names.size;
      this.names.set(node, name);
      return name;
    });
    const key = `${state.before} ${state.mark} ${names.sort((a, b) => a - b)}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const made = this.states.length;
    if (made >= 0xffff) throw new Error('the words of a scan have more than 65,535 states');
    this.states.push(state);
    this.known.set(key, made);
    if (made >= this.marks.length) {
      const [next, marks] = [this.next, this.marks];
      this.next = new Uint16Array(2 * next.length);
      this.next.set(next);
      this.marks = new Uint16Array(2 * marks.length);
      this.marks.set(marks);
    }
    this.marks[made] = state.mark;
    return made;
  }
}

type Marked = readonly [mark: number, texts: readonly string[]];

const small = (sign: number) => (isLetter(sign) && sign > 26 ? sign - 26 : sign);

function add(root: Node, text: string, mark: number): void {
  let node = root;
  for (const sign of text) {
    if (sign === WORD_END) {
      node.whole |= mark;
      return;
    }
    const code = classOf(sign.charCodeAt(0));
    if (code === 0 && sign !== OTHER) break;
    const next = node.next.get(code) ?? newNode();
    node.next.set(code, next);
    node = next;
  }
  node.mark |= mark;
}
