/** Reads one split of a dataset: samples, their reasoning and their videos. */
import { DataError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { looksInTraining } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import { prepareText } from '../data/prepare.js';
import { joinReasoning } from '../data/reasoning.js';
import type { Sample } from '../data/sample.js';
import { lookLessons } from '../text/lessons.js';
import { missingVideosError, otherReason, VideoLocator } from '../video/locate.js';
import { checkTargets, mixedDatasets, withDurations } from './taskSamples.js';

/** Samples of one split, with the paths of their videos. */
export interface Split {
  samples: Sample[];
  /** File or folder of each video, by the sample's `video`. */
  paths: Map<string, string>;
  /** Notices for the user: videos left out, samples without reasoning. */
  notices: string[];
}

/**
 * Reads a split: annotations, punctuation, reasoning for training, and where the videos are.
 *
 * @param file annotation file. @param training join the reasoning that the recipe trains on, and make the turns that it teaches.
 * @throws DataError for bad rows, and for missing videos unless data.onBadVideo is skip.
 */
export async function readSplit(config: Config, file: string, training: boolean): Promise<Split> {
  const { data } = config;
  const notices: string[] = [];
  let { samples } = await readAnnotations({ dataset: data.dataset, file });
  if (data.addPunctuation) samples = samples.map(prepareText);
  if (training && data.reasoning) {
    const joined = await joinReasoning(samples, data.reasoning);
    samples = joined.samples;
    notices.push(`reasoning for ${joined.joined} of ${samples.length} samples`);
  }
  if (training) {
    samples = selectReasoning(samples, config);
    if (samples.length === 0) throw nothingToTrain(config);
  }
  const mixed = mixedDatasets(samples);
  const looks = training ? looksInTraining(config) : config.eval.looks > 0;
  const located = await withDurations(await locateSamples(config, samples), config, looks);
  if (training) checkTargets(located.samples, file);
  notices.push(...[...(mixed ? [mixed] : []), ...located.notices].map((line) => `${file}: ${line}`));
  if (!training || config.train.looks === 0) return { ...located, notices };
  const { seed } = config.train;
  const lessons = lookLessons(located.samples, { seed, perSecond: config.video.lookFps });
  const added = lessons.length - located.samples.length;
  notices.push(
    `${file}: ${added} of ${located.samples.length} samples are learned in two turns (train.looks)`,
  );
  return { ...located, samples: lessons, notices };
}

function nothingToTrain({ data, train }: Config): DataError {
  return new DataError(
    `${data.reasoning ?? data.train}: no sample has reasoning to train on (train.reasoningSet ${train.reasoningSet}, train.reasoningFraction ${train.reasoningFraction}), and train.stlTarget reasoning-answer uses no others`,
  );
}

/**
 * Finds the videos of samples.
 *
 * @returns the samples that have one, the paths, and a notice of the samples that are left out (data.onBadVideo: skip).
 * @throws DataError for missing videos unless data.onBadVideo is skip and some are there.
 */
export async function locateSamples({ data }: Config, samples: readonly Sample[]): Promise<Split> {
  const locator = await VideoLocator.open(data.videos, data.map ? { mapFile: data.map } : {});
  const { paths, missing, notices } = await locator.locate(samples);
  if (missing.length > 0) {
    const error = missingVideosError(data.videos, missing, samples.length);
    if (data.onBadVideo === 'error' || missing.length === samples.length) throw error;
    const ids = missing.map(({ id }) => id).join(' ');
    const reason = otherReason(data.videos, missing);
    notices.push(`${missing.length} samples are left out, their videos are missing: ${ids}${reason}`);
  }
  return { samples: samples.filter(({ video }) => paths.has(video)), paths, notices };
}

/**
 * Keeps the reasoning that the recipe trains on: all of it or only where the teacher was right, and the given fraction
 * of that, drawn with the seed (paper, section 4.3 and figure 3). In single-task training on reasoning, samples
 * without any are left out (table 5: "only samples with Correct Reasoning are used").
 */
export function selectReasoning(samples: readonly Sample[], { train }: Pick<Config, 'train'>): Sample[] {
  const usable = (sample: Sample) =>
    sample.reasoning !== undefined && (train.reasoningSet === 'all' || sample.reasoningCorrect === true);
  const candidates = samples.filter(usable).map((sample) => sample.id);
  const count = Math.round(candidates.length * train.reasoningFraction);
  const kept = new Set(new Rng(`${train.seed}/reasoning`).shuffle(candidates).slice(0, count));
  const selected = samples.map((sample) => {
    if (sample.reasoning === undefined || kept.has(sample.id)) return sample;
    const plain: Sample = { ...sample };
    delete plain.reasoning;
    return plain;
  });
  return train.mode === 'stl' && train.stlTarget === 'reasoning-answer'
    ? selected.filter((sample) => sample.reasoning !== undefined)
    : selected;
}
