/**
 * Seeded random numbers for data, sampling and initial weights: xoshiro128** (Blackman and Vigna 2018) seeded
 * through a 32-bit hash of a number or text, so the same seed gives the same stream on every machine. Dropout does
 * not use it (see ops/dropout.ts), since its bits must not depend on the order of evaluation.
 */
export class Rng {
  private readonly s: Uint32Array;
  private spare: number | undefined;
  /** What the stream follows from: `new Rng(label)` starts it anew, in another thread too. */
  readonly label: string;

  constructor(seed: number | string) {
    this.label = String(seed);
    this.s = seedState(this.label);
  }

  /** Uniform 32-bit unsigned integer. */
  uint32(): number {
    const s = this.s;
    const s1 = s[1]!;
    const x = Math.imul(s1, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s1 << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    const s3 = s[3]!;
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in [0, 1) with 32 bits. */
  float(): number {
    return this.uint32() / 4294967296;
  }

  /** True with this probability. 0 draws no number, so an option that is off does not change the stream. */
  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  /** Uniform integer in [0, n), without modulo bias. */
  int(n: number): number {
    const limit = 4294967296 - (4294967296 % n);
    let x = this.uint32();
    while (x >= limit) x = this.uint32();
    return x % n;
  }

  /** Standard normal (Box-Muller, both values used). */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    const angle = 2 * Math.PI * this.float();
    this.spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('Rng.pick: nothing to pick from');
    return items[this.int(items.length)] as T;
  }

  /** Shuffles in place (Fisher-Yates) and returns the array. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const item = items[i] as T;
      items[i] = items[j] as T;
      items[j] = item;
    }
    return items;
  }

  /** An independent stream that depends only on this seed and the label, not on what was drawn so far. */
  fork(label: number | string): Rng {
    return new Rng(`${this.label}/${label}`);
  }
}

/** Four words by hashing the text (FNV-1a), each finished by the murmur3 mixer. */
function seedState(text: string): Uint32Array {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    let x = (hash + Math.imul(i + 1, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    state[i] = (x ^ (x >>> 16)) >>> 0;
  }
  return state;
}
