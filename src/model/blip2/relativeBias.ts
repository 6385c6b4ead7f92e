/**
 * T5's relative position buckets (Raffel et al. 2020; HF modeling_t5.py `_relative_position_bucket`): one bucket for
 * each small distance, logarithmic ones up to `maxDistance`, the last for all beyond.
 */
export interface BucketSettings {
  buckets: number;
  maxDistance: number;
  /** The encoder looks both ways; the decoder only back (its buckets for the future are never read). */
  bidirectional: boolean;
}

/**
 * The bucket of key position - query position.
 *
 * Each step is rounded to float32 as the reference computes it: at exact powers the logarithm's last bit decides
 * the bucket, and float64 may decide otherwise for settings other than 32/128.
 */
export function relativeBucket(relative: number, settings: BucketSettings): number {
  let { buckets } = settings;
  let offset = 0;
  let distance: number;
  if (settings.bidirectional) {
    buckets = Math.trunc(buckets / 2);
    if (relative > 0) offset = buckets;
    distance = Math.abs(relative);
  } else {
    distance = Math.max(0, -relative);
  }
  const exact = Math.trunc(buckets / 2);
  if (distance < exact) return offset + distance;
  const f = Math.fround;
  const log = f(Math.log(f(distance / exact)));
  const scaled = f(f(log / f(Math.log(settings.maxDistance / exact))) * (buckets - exact));
  return offset + Math.min(buckets - 1, exact + Math.trunc(scaled));
}

/**
 * Buckets of every (query, key) pair, row major (queries.length, keys.length).
 *
 * @param queries positions of the queries inside their segment.
 * @param keys positions of the keys inside their segment.
 */
export function relativeBuckets(
  queries: ArrayLike<number>,
  keys: ArrayLike<number>,
  settings: BucketSettings,
): Int32Array {
  const [firstQuery, lastQuery] = range(queries);
  const [firstKey, lastKey] = range(keys);
  const least = firstKey - lastQuery;
  const length = Math.max(0, lastKey - firstQuery - least + 1);
  const buckets = Int32Array.from({ length }, (_, i) => relativeBucket(least + i, settings));
  const result = new Int32Array(queries.length * keys.length);
  let index = 0;
  for (let i = 0; i < queries.length; i++)
    for (let j = 0; j < keys.length; j++) result[index++] = buckets[keys[j]! - queries[i]! - least]!;
  return result;
}

/** The least and the greatest of the positions; (0, -1) without any. */
function range(positions: ArrayLike<number>): [number, number] {
  let [least, greatest] = positions.length === 0 ? [0, -1] : [positions[0]!, positions[0]!];
  for (let i = 1; i < positions.length; i++) {
    least = Math.min(least, positions[i]!);
    greatest = Math.max(greatest, positions[i]!);
  }
  return [least, greatest];
}
