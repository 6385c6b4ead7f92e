import type { Config } from '../config/schema.js';
import { type AnnotationRequest, readAnnotations } from '../data/readers/index.js';
import type { Sample } from '../data/sample.js';
import { UsageError } from '../errors.js';
import { missingVideosError, VideoLocator } from '../video/locate.js';

export const SPLITS = ['train', 'val', 'test'] as const;
export type Split = (typeof SPLITS)[number];

/** @throws UsageError for another name, or when the recipe has no annotations for the split. */
export function splitFile(config: Config, split: string): string {
  if (!SPLITS.includes(split as Split))
    throw new UsageError(`--split ${split}: expected ${SPLITS.join(', ')}`);
  const file = config.data[split as Split];
  if (!file)
    throw new UsageError(`data.${split}: missing; the recipe has no annotations of the ${split} split`);
  return file;
}

export interface LocatedSamples {
  samples: Sample[];
  /** Path of each video that was found. */
  paths: Map<string, string>;
  /** Ids of samples left out because their video is missing (data.onBadVideo skip). */
  skipped: string[];
}

/**
 * Reads a split of a recipe and finds its videos.
 *
 * @throws DataError for bad annotations, and for missing videos unless data.onBadVideo is skip.
 */
export async function locatedSamples(config: Config, split: string): Promise<LocatedSamples> {
  const request: AnnotationRequest = { dataset: config.data.dataset, file: splitFile(config, split) };
  const { samples } = await readAnnotations(request);
  const { videos, map, onBadVideo } = config.data;
  const locator = await VideoLocator.open(videos, map ? { mapFile: map } : {});
  const { paths, missing } = await locator.locate(samples);
  if (missing.length > 0 && onBadVideo === 'error') throw missingVideosError(videos, missing, samples.length);
  return { samples: samples.filter(({ video }) => paths.has(video)), paths, skipped: missing };
}

/** Clip bounds as the video reader takes them. */
export function clipOf({ start, end }: Sample): { start?: number; end?: number } {
  return { ...(start === undefined ? {} : { start }), ...(end === undefined ? {} : { end }) };
}
