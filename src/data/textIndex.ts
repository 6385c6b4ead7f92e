/** Which texts were seen before, in memory that millions of them fit into. */

/**
 * Texts with the number that each was first seen with. A text is kept as 64 bits of hash and 32 of number, so that 5
 * million take 100 MB; two different texts of 5 million count as one with a probability of 1e-6.
 */
export class TextIndex {
  private count = 0;
  private low = new Uint32Array(1024);
  private high = new Uint32Array(1024);
  /** 0 where a slot is free. */
  private numbers = new Uint32Array(1024);

  /** Number of different texts. */
  get size(): number {
    return this.count;
  }

  /** The number the text was first added with. */
  get(text: string): number | undefined {
    hash(text);
    return this.numbers[this.slot()] || undefined;
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
    const at = this.slot();
    const earlier = this.numbers[at]!;
    if (earlier !== 0) return earlier;
    this.low[at] = hashed.low;
    this.high[at] = hashed.high;
    this.numbers[at] = number;
    if (++this.count > 0.7 * this.numbers.length) this.grow();
    return undefined;
  }

  /** The slot of the hashed text, or the free one where it belongs. */
  private slot(): number {
    const mask = this.numbers.length - 1;
    let at = hashed.low & mask;
    while (this.numbers[at] !== 0 && (this.low[at] !== hashed.low || this.high[at] !== hashed.high))
      at = (at + 1) & mask;
    return at;
  }

  private grow(): void {
    const { low, high, numbers } = this;
    const length = 2 * numbers.length;
    this.low = new Uint32Array(length);
    this.high = new Uint32Array(length);
    this.numbers = new Uint32Array(length);
    for (let i = 0; i < numbers.length; i++) {
      if (numbers[i] === 0) continue;
      hashed.low = low[i]!;
      hashed.high = high[i]!;
      const at = this.slot();
      this.low[at] = low[i]!;
      this.high[at] = high[i]!;
      this.numbers[at] = numbers[i]!;
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
