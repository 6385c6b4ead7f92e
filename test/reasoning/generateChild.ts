/** A process that generates reasoning about made samples, so that a test can kill it: `child URL OUT SAMPLES`. */
import { openTeacher } from '../../src/reasoning/client.js';
import { generateReasoning } from '../../src/reasoning/generate.js';
import { madeSamples } from './madeSamples.js';

const [url, out, count] = process.argv.slice(2) as [string, string, string];
const begun = performance.now();
const client = await openTeacher({
  baseUrl: url,
  model: 'm',
  backoff: { retries: 12, baseMs: 20, maxMs: 500 },
});
const side = 32;
const frames = {
  data: new Uint8Array(2 * side * side * 3),
  n: 2,
  height: side,
  width: side,
  indices: [0, 9],
};
let last = 0;
const { done } = await generateReasoning({
  samples: madeSamples(Number(count)),
  framesOf: async () => frames,
  frameCount: 2,
  client,
  out,
  concurrency: 32,
  onProgress: ({ done }) => {
    if (done > last) console.log(done);
    last = done;
  },
});
const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
const seconds = (performance.now() - begun) / 1000;
console.log(
  JSON.stringify({ done, seconds, megabytes: maxRSS / 1000, cpu: (userCPUTime + systemCPUTime) / 1e6 }),
);
