/** Middle value; the mean of the two middle ones for an even number. @param {ArrayLike<number>} values */
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  if (sorted.length === 0) throw new Error('median: no values');
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** @param {number[]} values @returns {{ median: number, min: number, max: number, n: number }} */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values), n: values.length };
}

/** The median of each field of records that have the same numeric fields. @param {Record<string, number>[]} records */
export function mediansOf(records) {
  const names = Object.keys(records[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(records.map((record) => record[name]))]));
}

/**
 * Seconds of one call of `work`: it is called often enough for a sample to last `sampleMs`, and the median of the
 * samples is taken.
 *
 * @param {() => void} work
 * @param {{ samples?: number, sampleMs?: number, finish?: () => void }} [sampling] `finish` waits for a device that works
 *   on after a call returned; a sample ends with it
 */
export function secondsPerCall(work, { samples = 9, sampleMs = 20, finish = () => {} } = {}) {
  work();
  finish();
  let calls = 1;
  let elapsed = timeCalls(work, calls, finish);
  while (elapsed < sampleMs) {
    calls = Math.ceil(calls * Math.min(10, Math.max(1.2, (1.1 * sampleMs) / Math.max(elapsed, 0.01))));
    elapsed = timeCalls(work, calls, finish);
  }
  const times = Array.from({ length: samples }, () => timeCalls(work, calls, finish));
  return median(times) / calls / 1000;
}

function timeCalls(work, calls, finish) {
  const start = performance.now();
  for (let i = 0; i < calls; i++) work();
  finish();
  return performance.now() - start;
}
