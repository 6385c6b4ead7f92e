/** Settings of questions that are asked without a recipe: the schema's defaults without the schema. */
import { jsonl } from '../data/datasets/jsonl.js';
import type { StudentKind } from '../model/kind.js';
import { DEFAULTS } from './defaults.js';
import type { Config } from './schema.js';

/** The part of a configuration that a student is asked with. */
export type AskSettings = Pick<Config, 'data' | 'video' | 'text' | 'eval'>;

/**
 * What {@link resolveConfig} gives where nothing is set; loading the schema takes a seventh of the time in which a small
 * model answers. The keys of data sets mean nothing to a question about one video.
 *
 * @param recipe the architecture's own text.template and video.prefix
 */
export function askSettings({ recipe }: Pick<StudentKind, 'recipe'>): AskSettings {
  const { template = DEFAULTS.text.template, prefix = true } = recipe ?? {};
  return {
    data: {
      ...{ dataset: jsonl.name, videos: process.cwd(), addPunctuation: false },
      ...{ onBadVideo: 'error', workers: 1, ahead: 2 },
    },
    video: {
      ...{ frames: DEFAULTS.video.frames, sampling: 'random', crop: 'random-resized' },
      ...{ prefix, template: 'Frame {i}: ', lookFps: DEFAULTS.video.lookFps },
    },
    text: { ...DEFAULTS.text, template, decoderCue: 'none' },
    eval: {
      ...{ scorer: 'letter', batch: 8, everyEpochs: 1, split: 'val', maxNewTokens: 30 },
      ...{ looks: 0, look: 'student' },
    },
  };
}
