/** Makes the samples of all tasks ready: the length of their videos where prompts state it, and what training needs of each. */
import pLimit from 'p-limit';
import { DataError, MissingToolError } from '../base/errors.js';
import { groupBy } from '../base/groups.js';
import type { Config } from '../config/schema.js';
import { type Sample, taskOf } from '../data/sample.js';
import { lacksOf, statesDuration } from '../text/tasks/index.js';
import { readDuration } from '../video/frames.js';

/** Videos that are probed at once. */
const AT_ONCE = 4;

/** Seconds that a span may end beyond a video whose length was probed: containers and annotations round. */
const ROUNDING = 1;

/** Samples with the paths of their videos, and notices for the user. */
interface Located {
  samples: Sample[];
  paths: Map<string, string>;
  notices: string[];
}

/**
 * Gives samples the length of their video where their prompt states it and the annotation does not.
 *
 * @param looks give it to all: calls for frames are checked by it
 * @returns the split without samples whose video cannot be read, where data.onBadVideo is skip; a notice names them
 * @throws DataError for such a video otherwise
 */
export async function withDurations(
  split: Located,
  { data, text }: Pick<Config, 'data' | 'text'>,
  looks = false,
): Promise<Located> {
  const { samples, paths, notices } = split;
  const unknown = samples.filter(
    (sample) => sample.duration === undefined && (looks || statesDuration(sample, text)),
  );
  if (unknown.length === 0) return split;
  const limit = pLimit(AT_ONCE);
  const durations = new Map<string, number>();
  const failed = new Map<string, DataError>();
  const probe = async (video: string, id: string) => {
    try {
      const request = { path: paths.get(video)!, id, ...(data.fps !== undefined && { fps: data.fps }) };
      durations.set(video, await readDuration(request));
    } catch (error) {
      const skips = data.onBadVideo === 'skip' && error instanceof DataError;
      if (!skips || error instanceof MissingToolError) throw error;
      failed.set(video, error);
    }
  };
  const videos = [...groupBy(unknown, ({ video }) => video)];
  await Promise.all(videos.map(([video, [first]]) => limit(() => probe(video, first!.id))));
  const isUnknown = new Set(unknown);
  const left = unknown.filter(({ video }) => failed.has(video));
  const leftOut = new Set(left);
  const [first] = left;
  if (first && left.length === samples.length) throw failed.get(first.video)!;
  return {
    paths,
    samples: samples
      .filter((sample) => !leftOut.has(sample))
      .map((sample) =>
        isUnknown.has(sample) ? { ...sample, duration: durations.get(sample.video)! } : sample,
      ),
    notices: first ? [...notices, leftOutNotice(left, failed.get(first.video)!)] : notices,
  };
}

function leftOutNotice(samples: readonly Sample[], { message }: DataError): string {
  const ids = samples.map(({ id }) => id).join(' ');
  return `${samples.length} samples are left out, the length of their video cannot be read: ${ids}; the first: ${message}`;
}

/**
 * Checks that every sample has what its task is learned from, and that its spans lie inside its video where its length is
 * known.
 *
 * @param file named in messages @throws DataError for the first sample that does not
 */
export function checkTargets(samples: readonly Sample[], file: string): void {
  for (const sample of samples) {
    // The objective says so of a choice, once the sample's turn comes.
    if (taskOf(sample) === 'choice') continue;
    const missing = lacksOf(sample);
    if (missing) throw new DataError(`${file}: ${missing.message}`);
    const { id, spans = [], duration } = sample;
    const late = spans.find(([, end]) => duration !== undefined && end > duration + ROUNDING);
    if (late)
      throw new DataError(
        `${file}: sample ${id}: span ${JSON.stringify(late)} ends beyond its video, which lasts ${duration!.toFixed(1)} s`,
      );
  }
}

/** A notice about a file whose samples come from several datasets, which are scored as one. */
export function mixedDatasets(samples: readonly Sample[]): string | undefined {
  const groups = [...groupBy(samples, ({ dataset }) => dataset)];
  if (groups.length < 2) return undefined;
  const counts = groups.map(([name, members]) => `${name} ${members.length}`).join(', ');
  return `samples of ${groups.length} datasets (${counts}) are trained on and scored as one; scores of each need a file each`;
}
