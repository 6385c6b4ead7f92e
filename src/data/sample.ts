/**
 * The one record every dataset is read into and every stage passes on. One JSON line is one sample, so users
 * bring their own data in this form (README, "Your own data").
 */
export interface Sample {
  /** Unique within a dataset; `<video>_<qid>` for NExT-QA and IntentQA, `question_id` for STAR. */
  id: string;
  dataset: string;
  /** Video id or path relative to the data root, as the annotation names it. */
  video: string;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number;
  end?: number;
  question: string;
  /** 2 to 26 answer options, in order. */
  options: string[];
  /** 0-based index into options; absent in blind test splits. */
  answer?: number;
  /** Question type, for example CW or Interaction. */
  type: string;
  /** Refined reasoning of the teacher, when there is any. */
  reasoning?: string;
  /** Whether the teacher's own answer was right (the paper's CR against IR, section 3.1). */
  reasoningCorrect?: boolean;
}

/** The letter of option `index`: 0 is A. */
export function optionLetter(index: number): string {
  return String.fromCharCode(65 + index);
}
