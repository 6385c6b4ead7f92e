/** The samples of one split, for commands that train nothing. */
import { UsageError } from '../base/errors.js';
import type { Config } from '../config/schema.js';
import type { Sample } from '../data/sample.js';

export const SPLITS = ['train', 'val', 'test'] as const;
type Split = (typeof SPLITS)[number];

/** @throws UsageError for another name, or when the recipe has no annotations for the split. */
function splitFile(config: Config, split: string): string {
  if (!SPLITS.includes(split as Split))
    throw new UsageError(`--split ${split}: expected ${SPLITS.join(', ')}`);
  const file = config.data[split as Split];
  if (!file)
    throw new UsageError(`data.${split}: missing; the recipe has no annotations of the ${split} split`);
  return file;
}

/**
 * Reads a split of a recipe as the annotations have it, and finds its videos.
 *
 * @throws DataError for bad annotations, and for missing videos unless data.onBadVideo is skip.
 */
export async function locatedSamples(config: Config, split: string) {
  const { locateSamples } = await import('../batches/split.js');
  return locateSamples(config, await splitSamples(config, split));
}

/** The samples of a split, whose videos need not be there. @throws DataError for bad annotations */
export async function splitSamples(config: Config, split: string): Promise<Sample[]> {
  const { readAnnotations } = await import('../data/annotations.js');
  const file = splitFile(config, split);
  return (await readAnnotations({ dataset: config.data.dataset, file })).samples;
}
