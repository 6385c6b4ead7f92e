/** Short open questions in JSON, the form that MSVD-QA and MSRVTT-QA share (Xu et al. 2017). */
import type { Row } from '../datasets/dataset.js';
import type { ProblemLog } from '../problems.js';
import { shown } from '../problems.js';
import type { Sample } from '../sample.js';
import { isGiven } from '../textFile.js';
import { type Place, problem, readQuestions, textAt } from './jsonQuestions.js';

/** The questions' first words, which are their types. */
export const QUESTION_WORDS = ['what', 'who', 'how', 'when', 'where', 'other'] as const;

const KEYS = ['id', 'question', 'answer', 'video_id'];

/**
 * Reads a list of `{answer, id, question, video_id}`. A `video_id` that is a number becomes `<prefix><number>`, as the videos'
 * files are named.
 */
export function readOpenQuestions(text: string, dataset: string, prefix: string, log: ProblemLog): Row[] {
  const read = (item: Record<string, unknown>, place: Place, blind: boolean): Sample | undefined => {
    const before = log.count;
    const id = keyAt(item, 'id', place);
    const video = keyAt(item, 'video_id', place);
    const question = textAt(item, 'question', place);
    const answer = blind ? undefined : answerAt(item, place);
    if (log.count > before) return undefined;
    const word = question.trim().split(/\s/)[0]!.toLowerCase();
    return {
      id,
      dataset,
      video: /^\d+$/.test(video) ? `${prefix}${video}` : video,
      task: 'open',
      question,
      options: [],
      ...(answer === undefined ? {} : { answers: [answer] }),
      type: QUESTION_WORDS.find((known) => known === word) ?? 'other',
    };
  };
  return readQuestions(text, { idField: () => 'id', keys: () => [...KEYS, 'category_id'], read }, log);
}

/** A text, or a whole number as text; '' after a problem. */
function keyAt(item: Record<string, unknown>, field: string, place: Place): string {
  const value = item[field];
  return Number.isSafeInteger(value) ? String(value) : textAt(item, field, place);
}

/** The answer; a number is written as text. */
function answerAt(item: Record<string, unknown>, place: Place): string | undefined {
  const { answer } = item;
  if (Number.isFinite(answer)) return String(answer);
  if (typeof answer === 'string' && answer.trim() !== '') return answer;
  problem(place, 'answer', 'a text', isGiven(answer) ? shown(answer) : 'nothing, where others have one');
  return undefined;
}
