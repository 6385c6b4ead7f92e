/** What the tables need of the built-in world beside its own reasoning: captions, and the writing of a smaller teacher. */

import { dirname, join } from 'node:path';
import { z } from 'zod';
import { DataError } from '../base/errors.js';
import { isFile, writeFileAtomic } from '../base/files.js';
import { say } from '../base/progress.js';
import type { Config } from '../config/schema.js';
import { readAnnotations } from '../data/annotations.js';
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog } from '../data/problems.js';
import { textSource } from '../data/textFile.js';
import { refineFile } from '../reasoning/refineFile.js';
import { makeWorldOf, teach, WORLD_SEED, type WorldSize } from '../sweep/world.js';
import type { Writings } from './table.js';

/** Share of questions that the smaller teacher answers wrongly: InternVL(4B) has 59.8 % right on NExT-QA (paper, table 4). */
const SMALLER_ERROR_RATE = 0.402;

/**
 * Makes the world where its annotations are missing, and of the writings those that are needed and missing.
 *
 * @param config of a shapes recipe. @param needed files among the writings
 */
export async function makeMaterials(
  config: Config,
  world: WorldSize,
  writings: Writings,
  needed: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await makeWorldOf(config, world, signal);
  const folder = dirname(writings.refined);
  const lacks = async (file: string) => needed.includes(file) && !(await isFile(file));
  const { brief, detailed, smallerOriginal, smallerRefined } = writings;
  if ((await lacks(brief)) || (await lacks(detailed))) await writeCaptions(folder, config, writings);
  if ((await lacks(smallerOriginal)) || (await lacks(smallerRefined))) {
    say(`${folder}: a smaller teacher writes reasoning, over HTTP`);
    const other = { out: smallerOriginal, errorRate: SMALLER_ERROR_RATE };
    await teach(config, { folder, seed: WORLD_SEED, signal }, other);
    await refineFile({ input: smallerOriginal, output: smallerRefined });
  }
}

const captionSchema = z.object({ video: z.string(), caption: z.string(), frames: z.array(z.string()) });

/**
 * Writes captions of each training question's clip in the form of reasoning: brief, what there is; detailed, what there is,
 * what happens, and what is where in each frame.
 */
async function writeCaptions(folder: string, config: Config, { brief, detailed }: Writings): Promise<void> {
  const file = join(folder, 'captions.jsonl');
  const log = new ProblemLog(file);
  const captions = new Map<string, z.output<typeof captionSchema>>();
  for await (const { line, record } of readJsonLines(await textSource(file), 'caption', log)) {
    const parsed = captionSchema.safeParse(record);
    if (parsed.success) captions.set(parsed.data.video, parsed.data);
    else log.add(line, 'json', 'a caption of the shapes world', 'something else');
  }
  log.throwIfAny();
  const { samples } = await readAnnotations({ dataset: 'shapes', file: config.data.train! });
  const lines = (describe: (caption: z.output<typeof captionSchema>) => string) =>
    samples.map(({ id, video }) => {
      const caption = captions.get(video);
      if (!caption) throw new DataError(`${file}: no caption of video ${video}; make the world again`);
      return `${JSON.stringify({ id, reasoning: describe(caption), correct: null })}\n`;
    });
  await writeFileAtomic(
    brief,
    lines(({ caption }) => `${caption.split('. ')[0]!.replace(/\.$/, '')}.`).join(''),
  );
  await writeFileAtomic(
    detailed,
    lines(({ caption, frames }) =>
      [caption, ...frames.map((text, i) => `Frame ${i + 1}: ${text}`)].join(' '),
    ).join(''),
  );
}
