/** Which texts were seen before, in memory that millions of them fit into. */

/** Parts that grow one by one; a power of 2. */
const PARTS = 64;

/** Numbers a slot takes: two of hash, then the text's number, 0 where the slot is free. */
const SLOT = 3;

/**
 * Texts with the number that each was first seen with. A text is kept as 64 bits of hash and 32 of number, so that 5
 * million take 100 MB; two different texts of 5 million count as one with a probability of 1e-6.
 *
 * The hash chooses a part, and a part that is full grows alone: one table would be in memory twice while it grows, 150 MB
 * on the way to 100.
 */
export class TextIndex {
  private readonly parts = Array.from({ length: PARTS }, () => new Part());
  private count = 0;

  /** Number of different texts. */
  get size(): number {
    return this.count;
  }

  /** The number the text was first added with. */
  get(text: string): number | undefined {
    hash(text);
    return this.part().get() || undefined;
  }

  has(text: string): boolean {
    return this.get(text) !== undefined;
  }

  /**
   * Adds a text.
   *
   * @param number from 1, below 2^32
   * @returns the number the text was added with before; undefined the first time
   */
  add(text: string, number = 1): number | undefined {
    hash(text);
    const earlier = this.part().add(number);
    if (earlier !== 0) return earlier;
    this.count++;
    return undefined;
  }

  private part(): Part {
    return this.parts[hashed.high % PARTS]!;
  }
}

/** An open hash table; what it is asked for is the text hashed last. */
class Part {
  private count = 0;
  private slots = 16;
  private table = new Uint32Array(SLOT * this.slots);

  /** The text's number; 0 where it is not here. */
  get(): number {
    return this.table[this.place() + 2]!;
  }

  /** The number that the text had before; 0 the first time. */
  add(number: number): number {
    const at = this.place();
    const earlier = this.table[at + 2]!;
    if (earlier !== 0) return earlier;
    this.put(at, number);
    if (++this.count > 0.7 * this.slots) this.grow();
    return 0;
  }

  /** Where the text's slot begins, or the free one where it belongs. */
  private place(): number {
    const { table, slots } = this;
    const { low, high } = hashed;
    let at = SLOT * (low & (slots - 1));
    while (table[at + 2] !== 0 && (table[at] !== low || table[at + 1] !== high))
      at = (at + SLOT) % table.length;
    return at;
  }

  private put(at: number, number: number): void {
    this.table[at] = hashed.low;
    this.table[at + 1] = hashed.high;
    this.table[at + 2] = number;
  }

  private grow(): void {
    const { table } = this;
    this.slots *= 2;
    this.table = new Uint32Array(SLOT * this.slots);
    for (let i = 0; i < table.length; i += SLOT) {
      if (table[i + 2] === 0) continue;
      hashed.low = table[i]!;
      hashed.high = table[i + 1]!;
      this.put(this.place(), table[i + 2]!);
    }
  }
}

/** The last hash; an object a text would cost more than the hash itself. */
const hashed = { low: 0, high: 0 };

/** Two MurmurHash3 lanes (Appleby 2011, 32 bits) over the UTF-16 units, with different seeds and multipliers. */
function hash(text: string): void {
  let low = 0x9747b28c;
  let high = 0x2545f491;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = rotated(low ^ mixed(unit, 0xcc9e2d51, 15, 0x1b873593), 13) * 5 + 0xe6546b64;
    high = rotated(high ^ mixed(unit, 0x85ebca6b, 16, 0xc2b2ae35), 15) * 5 + 0x561ccd1b;
  }
  hashed.low = finished(low ^ text.length);
  hashed.high = finished(high ^ text.length ^ hashed.low);
}

const rotated = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));

const mixed = (x: number, first: number, bits: number, second: number) =>
  Math.imul(rotated(Math.imul(x, first), bits), second);

function finished(x: number): number {
  let h = x;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
