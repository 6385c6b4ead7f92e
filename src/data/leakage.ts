/** Questions and videos that two sets of annotation files share. */
import { annotationRows } from './annotations.js';
import type { Problem } from './problems.js';
import { placeOf } from './problems.js';
import type { Sample } from './sample.js';
import { TextIndex } from './textIndex.js';

/** Shared questions that are given with their places. */
const MAX_EXAMPLES = 5;

/** Annotation files of one dataset. */
export interface AnnotationFiles {
  dataset: string;
  files: readonly string[];
}

export interface Leakage {
  /** Samples of the first files. */
  samples: number;
  /** Samples of the first files whose video the others have, and how many videos that are. */
  byVideo: { samples: number; videos: number };
  /** Samples whose question the others ask, about any video. */
  byQuestion: { samples: number };
  /** Samples whose question the others ask about the same video. */
  byBoth: { samples: number };
  /** The first of the last kind. */
  examples: { place: string; other: string; question: string }[];
}

/**
 * Counts what the first files share with the others. Questions are compared without capitals, spaces and final marks;
 * videos by the last part of their path, without extension.
 *
 * @throws DataError for a file that cannot be read.
 */
export async function leakageBetween(
  first: AnnotationFiles,
  others: AnnotationFiles,
  onProblem: (problem: Problem) => void,
): Promise<Leakage> {
  const videos = new TextIndex();
  const questions = new TextIndex();
  const both = new TextIndex();
  for (const [number, file] of others.files.entries())
    for await (const { sample, line = 0 } of annotationRows({ dataset: others.dataset, file, onProblem })) {
      videos.add(videoKey(sample));
      questions.add(questionKey(sample));
      both.add(bothKey(sample), 1 + number + others.files.length * line);
    }
  const shared = new TextIndex();
  const found: Leakage = {
    samples: 0,
    byVideo: { samples: 0, videos: 0 },
    byQuestion: { samples: 0 },
    byBoth: { samples: 0 },
    examples: [],
  };
  for (const file of first.files)
    for await (const row of annotationRows({ dataset: first.dataset, file, onProblem })) {
      const { sample } = row;
      found.samples++;
      if (videos.has(videoKey(sample))) {
        found.byVideo.samples++;
        shared.add(videoKey(sample));
      }
      if (questions.has(questionKey(sample))) found.byQuestion.samples++;
      const at = both.get(bothKey(sample));
      if (at === undefined) continue;
      found.byBoth.samples++;
      if (found.examples.length === MAX_EXAMPLES) continue;
      const other = others.files[(at - 1) % others.files.length]!;
      const line = Math.floor((at - 1) / others.files.length);
      found.examples.push({
        place: placeOf(file, row),
        other: line > 0 ? `${other}:${line}` : other,
        question: sample.question,
      });
    }
  found.byVideo.videos = shared.size;
  return found;
}

const videoKey = ({ video }: Sample) => video.replace(/^.*\//s, '').replace(/\.[a-z][a-z0-9]{1,3}$/i, '');

const questionKey = ({ question }: Sample) =>
  question
    .normalize('NFKC')
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/[\s.?!。？！]+$/u, '')
    .trim();

const bothKey = (sample: Sample) => `${videoKey(sample)}\n${questionKey(sample)}`;
