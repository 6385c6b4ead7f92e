/** Settings of annotation files that are read without a recipe: the schema's defaults without the schema. */
import { datasetOf } from '../data/datasets/index.js';
import { DEFAULT_QA_TEMPLATE } from '../text/prompts.js';

/** The part of a configuration that annotation files are read with; keys as in schema.ts. */
export interface FileSettings {
  data: {
    videos: string;
    map?: string | undefined;
    reasoning?: string | undefined;
    fps?: number | undefined;
    addPunctuation: boolean;
  };
  video: { frames: number };
  text: { template: string; maxPrompt: number; maxReasoning: number };
}

/** Defaults that the schema has from here. */
export const DEFAULTS = {
  video: { frames: 4, lookFps: 2 },
  text: { template: DEFAULT_QA_TEMPLATE, maxPrompt: 128, maxReasoning: 256 },
} as const;

/**
 * What {@link resolveConfig} gives for a dataset alone. Loading the schema takes half the time in which a published
 * file is counted.
 *
 * @param videos absolute path @throws UsageError for an unknown dataset
 */
export function fileSettings(dataset: string, videos: string): FileSettings {
  const { addPunctuation } = datasetOf(dataset);
  return { data: { videos, addPunctuation }, ...DEFAULTS };
}
