/** NExT-GQA's file of true spans: `{"<video>": {"duration": s, "location": {"<qid>": [[start, end], ...]}}}`. */
import { DataError } from '../../base/errors.js';
import { isRecord } from '../../base/values.js';
import { shown } from '../problems.js';
import { JsonSyntaxError, parseJson, readTextFile } from '../textFile.js';
import { filesBeside, splitOf } from './beside.js';
import { isDuration } from './spans.js';

/** A video's length in seconds and its spans by question, as the file has them. */
export interface GroundedVideo {
  duration: number;
  spans: Map<string, readonly (readonly [number, number])[]>;
}

/** The file by video. @throws DataError where it is not of this form */
export async function readGsub(file: string): Promise<Map<string, GroundedVideo>> {
  let root: unknown;
  try {
    root = parseJson(await readTextFile(file));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new DataError(`${file}:${error.line}: json: expected spans by video, got ${error.message}`);
  }
  if (!isRecord(root)) throw new DataError(`${file}: expected an object by video, got ${shown(root)}`);
  const videos = new Map<string, GroundedVideo>();
  for (const [video, entry] of Object.entries(root)) {
    const { duration, location } = isRecord(entry) ? entry : {};
    if (!isDuration(duration) || !isRecord(location))
      throw new DataError(`${file}: ${shown(video)}: expected {duration, location}, got ${shown(entry)}`);
    const spans: GroundedVideo['spans'] = new Map();
    for (const [qid, windows] of Object.entries(location)) {
      if (!Array.isArray(windows) || !windows.every(isPair))
        throw new DataError(
          `${file}: ${shown(`${video}_${qid}`)}: expected [start, end] pairs in seconds, got ${shown(windows)}`,
        );
      spans.set(qid, windows);
    }
    videos.set(video, { duration, spans });
  }
  return videos;
}

/** The file of spans in the folder of a csv; of several the one of the same split. */
export async function gsubBeside(file: string): Promise<string | undefined> {
  const split = splitOf(file);
  if (split === 'train') return undefined;
  const found = await filesBeside(file, /gsub.*\.json$/i);
  const same = found.filter((path) => splitOf(path) === split);
  if (same.length > 0) return same[0];
  return found.length === 1 && split === undefined ? found[0] : undefined;
}

/** Whether a value is two numbers; JSON's 1e999 is none. */
export function isPair(value: unknown): value is readonly [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}
