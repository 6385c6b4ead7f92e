/** Clips and questions of the shapes world, drawn anew for the first visit. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readAnnotations } from '../data/annotations.js';
import { makeShapes } from '../shapes/dataset.js';
import type { VideoStore } from './videos.js';

const CLIPS = 4;

/** Draws the clips into the store's folder; they are the same every time. */
export async function addExamples(store: VideoStore): Promise<void> {
  const out = join(store.folder, 'examples');
  await makeShapes({ out, seed: 'examples', train: 0, val: CLIPS, test: 0 });
  const { samples } = await readAnnotations({ dataset: 'shapes', file: join(out, 'val.csv') });
  for (const [i, name] of [...new Set(samples.map(({ video }) => video))].entries()) {
    const path = join(out, 'videos', `${name}.webp`);
    const questions = samples
      .filter(({ video }) => video === name)
      // In the words that the students of this world have learned from, without a question mark.
      .map(({ question, options, answer }) => ({ question, options, answer }));
    const { size: bytes } = await stat(path);
    store.addExample({ ...{ id: `example-${i + 1}`, name: `Shapes ${i + 1}`, path, bytes, questions } });
  }
}
