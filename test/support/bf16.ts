/** The bf16 number nearest to a finite value, ties to even: the truth that storage in bf16 is compared with. */
export function nearestBf16(value: number): number {
  const words = new Uint32Array(Float32Array.of(value).buffer);
  words[0] = (words[0]! + 0x7fff + ((words[0]! >>> 16) & 1)) & 0xffff0000;
  return new Float32Array(words.buffer)[0]!;
}
