/** The process of kill.test.ts: fills a store, and kills itself at the given call that changes a file. */
import { appendFileSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { extractFeatures, parseShard } from '../../src/features/extract.js';
import { LiveFrames, StoredFeatures } from '../../src/features/source.js';
import { FeatureStore } from '../../src/features/store.js';
import { neededOf, seeingStudent } from './support.js';

/** What the process is told. */
export interface KillJob {
  /** Names of the folders of frames below `videos`: the grey level of each one's first frame. */
  greys: number[];
  videos: string;
  folder: string;
  /** A line with the grey level for each clip that is computed. */
  log: string;
  /** Which call, from 1; none without. */
  killAt?: number;
}

const { greys, videos, folder, log, killAt }: KillJob = JSON.parse(process.argv[2]!);
const names = greys.map(String);

async function killAtCall(at: number): Promise<void> {
  const handle = await open(log, 'a');
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  let calls = 0;
  for (const method of ['write', 'sync', 'close'] as const) {
    const real = prototype[method];
    prototype[method] = function (this: { fd: number }, ...given: [Uint8Array, ...unknown[]]) {
      if (++calls === at) {
        // A write is killed half-way.
        if (method === 'write') writeSync(this.fd, given[0], 0, given[0].byteLength >> 1);
        process.kill(process.pid, 'SIGKILL');
      }
      return real.apply(this, given);
    };
  }
}

await tf.setBackend('cpu');
const student = seeingStudent((grey) => appendFileSync(log, `${Math.round(grey() * 255)}\n`));
const paths = new Map(names.map((name) => [name, join(videos, name)]));
const live = new LiveFrames(student, paths, { frames: 1, sampling: 'uniform', crop: 'none' }, false);
const source = new StoredFeatures(student, live, new FeatureStore(folder), { visionHash: 'v1' });
const needed = await neededOf(source, names);
if (killAt !== undefined) await killAtCall(killAt);
await extractFeatures(needed, { skipBad: false, shard: parseShard(undefined, process.env) });
