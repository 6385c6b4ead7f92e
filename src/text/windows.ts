/** Spans that are looked at in place of a student's own: true ones, true ones with noise, and random ones as long. */
import type { Rng } from '../base/random.js';
import type { Span } from '../data/sample.js';
import type { Bounds } from './looking.js';

/** A call's shortest span in tenths of a second: a span must be longer than 1 s. */
const SHORTEST = 11;

/**
 * A span that can be called for: in tenths of a second, as calls are written, inside the bounds and as long as calls must be,
 * about the same middle.
 *
 * @returns undefined where the bounds have no room for one
 */
export function windowOf([start, end]: Span, bounds: Bounds): Span | undefined {
  const [low, high] = tenthsOf(bounds);
  if (high - low < SHORTEST) return undefined;
  const length = Math.min(high - low, Math.max(SHORTEST, Math.round(10 * (end - start))));
  const first = Math.round(5 * (start + end) - length / 2);
  return secondsFrom(Math.min(high - length, Math.max(low, first)), length);
}

/** The true span with each end moved by up to this share of its length, as VITAL teaches calls (20 %). */
export const NOISE = 0.2;

/** {@link windowOf} a true span with {@link NOISE}. */
export function noisyWindow([start, end]: Span, bounds: Bounds, rng: Rng): Span | undefined {
  const moved = () => (2 * rng.float() - 1) * NOISE * (end - start);
  return windowOf([start + moved(), end + moved()], bounds);
}

/** A span as long as {@link windowOf} the true one, anywhere in the bounds. */
export function randomWindow(span: Span, bounds: Bounds, rng: Rng): Span | undefined {
  const window = windowOf(span, bounds);
  if (!window) return undefined;
  const [low, high] = tenthsOf(bounds);
  const length = Math.round(10 * (window[1] - window[0]));
  return secondsFrom(low + rng.int(high - low - length + 1), length);
}

/** Inside the bounds, whatever their further decimals are. */
const tenthsOf = ({ from, to }: Bounds) =>
  [Math.max(0, Math.ceil(10 * from - 1e-6)), Math.floor(10 * to + 1e-6)] as const;

const secondsFrom = (first: number, length: number): Span => [first / 10, (first + length) / 10];
