/** Checks one annotation file: its rows, their options, reasoning and videos. */
import { DataError, messageOf } from '../base/errors.js';
import { annotationRows } from '../data/annotations.js';
import type { Row } from '../data/datasets/index.js';
import { describeProblem, placeOf, shown } from '../data/problems.js';
import type { Sample } from '../data/sample.js';
import { TextIndex } from '../data/textIndex.js';
import { VideoLocator } from '../video/locate.js';

/** Rows whose videos are looked up together. */
const GROUP = 1000;

export interface CheckRequest {
  dataset: string;
  file: string;
  /** Folder of the videos, and the map of their names; without a folder no video is looked for. */
  videos?: string;
  map?: string;
  /** Reasoning to join; the samples are then kept in memory. A file that is not there yet is a warning. */
  reasoning?: string;
  /** Decodes this many frames of every distinct clip, at `fps` for folders of frames. */
  decode?: { frames: number; fps?: number };
  /** Told of each problem and each warning as one line that names the place. */
  onProblem: (line: string) => void;
  onWarning: (line: string) => void;
  /** Told of guesses, which may come more than once. */
  onNotice: (line: string) => void;
  /** Told of decoded clips, of how many. */
  onDecoded?: (done: number, total: number) => void;
}

export interface CheckResult {
  samples: number;
  videos: number;
}

/**
 * Reads a file row by row and tells everything that is wrong. A file or folder that is missing is one more problem, and hides
 * no other.
 */
export async function checkFile(request: CheckRequest): Promise<CheckResult> {
  const { dataset, file, decode, onProblem, onWarning } = request;
  const unreadable = (error: unknown) => {
    if (!(error instanceof DataError)) throw error;
    onProblem(messageOf(error));
  };
  const reasoning = await reasoningOf(request);
  const locator = await locatorOf(request).catch(unreadable);
  const videos = new TextIndex();
  const kept: Sample[] = [];
  const clips = new Map<string, Clip>();
  let samples = 0;
  let group: Row[] = [];
  const locateGroup = async () => {
    if (locator) await locate(locator, group, request, decode ? clips : undefined);
    group = [];
  };
  try {
    const tell = (problem: Parameters<typeof describeProblem>[0]) => onProblem(describeProblem(problem));
    const mended = (problem: Parameters<typeof describeProblem>[0]) => onWarning(describeProblem(problem));
    for await (const row of annotationRows({ dataset, file, onProblem: tell, onWarning: mended })) {
      samples++;
      videos.add(row.sample.video);
      const equal = equalOptions(row.sample);
      if (equal) onWarning(`${placeOf(file, row)}: ${equal}`);
      if (reasoning) kept.push(row.sample);
      if (group.push(row) === GROUP) await locateGroup();
    }
  } catch (error) {
    unreadable(error);
  }
  if (reasoning && samples > 0) {
    const { joinReasoning } = await import('../data/reasoning.js');
    await joinReasoning(kept, reasoning, (problem) => onProblem(describeProblem(problem))).catch(unreadable);
  }
  await locateGroup();
  if (decode) await decodeClips([...clips.values()], request, decode);
  return { samples, videos: videos.size };
}

async function reasoningOf({ reasoning, onWarning }: CheckRequest): Promise<string | undefined> {
  if (reasoning === undefined) return undefined;
  const { reasoningToCome } = await import('../data/reasoning.js');
  const warning = await reasoningToCome(reasoning);
  if (warning === undefined) return reasoning;
  onWarning(warning);
  return undefined;
}

async function locatorOf({ videos, map }: CheckRequest): Promise<VideoLocator | undefined> {
  if (videos === undefined) return undefined;
  return VideoLocator.open(videos, map ? { mapFile: map } : {});
}

/** Two options of a question with the same text, apart from capitals and spaces. */
function equalOptions({ options, answer }: Sample): string | undefined {
  const texts = options.map((option) => option.trim().replace(/\s+/g, ' ').toLowerCase());
  const second = texts.findIndex((text, i) => texts.indexOf(text) < i);
  if (second < 0) return undefined;
  const first = texts.indexOf(texts[second]!);
  const right = answer !== undefined && texts[answer] === texts[second] ? ', the right answer' : '';
  return `options ${first} and ${second} are equal, ${shown(options[second])}${right}`;
}

interface Clip {
  sample: Sample;
  path: string;
  place: string;
}

/** Looks up the videos of rows, and adds those that are there to `clips`, each clip once. */
async function locate(
  locator: VideoLocator,
  rows: readonly Row[],
  { file, onProblem, onNotice }: CheckRequest,
  clips?: Map<string, Clip>,
): Promise<void> {
  // The place stands before the id in messages.
  const named = rows.map((row) => ({ id: placeOf(file, row), video: row.sample.video }));
  const { missing, paths, notices } = await locator.locate(named, (error) => onProblem(error.message));
  for (const { id, reason } of missing) onProblem(`${id}: ${reason}`);
  for (const notice of notices) onNotice(notice);
  if (!clips) return;
  for (const row of rows) {
    const { video, start, end } = row.sample;
    const path = paths.get(video);
    const key = `${video} ${start} ${end}`;
    if (path !== undefined && !clips.has(key))
      clips.set(key, { sample: row.sample, path, place: placeOf(file, row) });
  }
}

/** Decodes the frames that training would use. */
async function decodeClips(
  clips: readonly Clip[],
  { onProblem, onDecoded }: CheckRequest,
  { frames, fps }: { frames: number; fps?: number },
): Promise<void> {
  const { clipOf, readFrames } = await import('../video/frames.js');
  for (const [i, { sample, path, place }] of clips.entries()) {
    const request = { path, id: place, count: frames, mode: 'uniform' as const, ...clipOf(sample, fps) };
    await readFrames(request).catch((error) =>
      // Errors of the system know neither the row nor the id.
      onProblem(error instanceof DataError ? error.message : `${place}: ${messageOf(error)}`),
    );
    onDecoded?.(i + 1, clips.length);
  }
}
