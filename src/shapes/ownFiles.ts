/** Which files in a folder a shapes world may replace: its own, never a person's. */
import { join } from 'node:path';
import { DataError } from '../base/errors.js';
import { readHead } from '../base/files.js';

/** First line of train.csv, val.csv and test.csv. */
export const CSV_HEADER = 'video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';

/** What files of a split without clips hold. */
const EMPTY = new Set(['', CSV_HEADER, '{}']);

/** A row of csv, or of JSON lines, or the map, begins with a video's name, or has it as a value. */
const OWN_VIDEO = /(^|")(train|val|test)-\d{4,}(-dark|-mix)?[",]/m;

/** Long enough for the header and a whole row of any file. */
const HEAD_BYTES = 4096;

/** @throws DataError for the first file of these names that exists and is of no shapes world */
export async function refuseForeign(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const path = join(folder, name);
    // One that cannot be read is named when it is written.
    const head = await readHead(path, HEAD_BYTES).then(String, () => '');
    if (EMPTY.has(head.trim()) || OWN_VIDEO.test(head)) continue;
    throw new DataError(
      `${path}: is of no shapes world, and would be replaced; move it away, or write to another folder`,
    );
  }
}
