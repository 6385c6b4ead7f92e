/** Cuts two videos into pieces and lays them alternately. */
import type { Rng } from '../base/random.js';

/**
 * Lengths of pieces that a video of `length` frames is cut into, each from `least` to `most` frames. Where no number of such
 * pieces makes up the length, they are shorter than `least`, by as little as their number allows.
 *
 * @param least and most: whole numbers, 1 <= least <= most.
 */
export function cutPieces(length: number, least: number, most: number, rng: Rng): number[] {
  const fewest = Math.ceil(length / most);
  const many = Math.max(fewest, Math.floor(length / least));
  const count = fewest + rng.int(many - fewest + 1);
  const low = Math.min(least, Math.floor(length / count));
  const pieces: number[] = [];
  for (let rest = length; rest > 0; rest -= pieces.at(-1)!) {
    const others = count - pieces.length - 1;
    const shortest = Math.max(low, rest - others * most);
    const longest = Math.min(most, rest - others * low);
    pieces.push(shortest + rng.int(longest - shortest + 1));
  }
  return pieces;
}

/** Frames [from, to) of one of two videos. */
export interface Piece {
  side: 0 | 1;
  from: number;
  to: number;
}

/** The pieces of two videos in turns, each video's in its order; when one has none left, the rest of the other follows. */
export function alternate(lengths: readonly [readonly number[], readonly number[]], first: 0 | 1): Piece[] {
  const pieces = lengths.map((own, side) => {
    let at = 0;
    return own.map((length): Piece => {
      at += length;
      return { side: side as 0 | 1, from: at - length, to: at };
    });
  });
  const [a, b] = first === 0 ? pieces : [pieces[1], pieces[0]];
  return Array.from({ length: Math.max(a!.length, b!.length) }, (_, i) => [a![i], b![i]])
    .flat()
    .filter((piece) => piece !== undefined);
}
