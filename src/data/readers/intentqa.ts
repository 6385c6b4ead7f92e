import type { ProblemLog } from '../problems.js';
import type { Sample } from '../sample.js';
import { readChoiceFile } from './choiceFile.js';

/** Why (CW), how (CH) and temporal (TN, TP) questions: the only types in the published files. */
export const INTENTQA_TYPES = ['CW', 'CH', 'TN', 'TP'] as const;

/** IntentQA, the published csv: as NExT-QA, but the video column is `video_id` and lines end in CRLF. */
export function readIntentQa(text: string, log: ProblemLog): Sample[] {
  const layout = { dataset: 'intentqa', videoColumn: 'video_id', types: INTENTQA_TYPES, optionCount: 5 };
  return readChoiceFile(text, layout, log);
}
