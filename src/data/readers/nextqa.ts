import type { ProblemLog } from '../problems.js';
import type { Sample } from '../sample.js';
import { readChoiceFile } from './choiceFile.js';

/** Causal (why, how), temporal (next, current, previous) and descriptive (count, location, other) questions. */
export const NEXTQA_TYPES = ['CW', 'CH', 'TN', 'TC', 'TP', 'DC', 'DL', 'DO'] as const;

/**
 * NExT-QA multiple choice, the published csv: header
 * `video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4`. The shapes world is written in the same
 * form, and SeViLA's JSON is read as well. `map_vid_vidorID.json`, which says where a video lies, belongs to the video
 * locator (video/locate.ts).
 */
export function readNextQa(text: string, dataset: 'nextqa' | 'shapes', log: ProblemLog): Sample[] {
  const layout = { dataset, videoColumn: 'video', types: NEXTQA_TYPES, optionCount: 5 };
  return readChoiceFile(text, layout, log);
}
