/** What scoring a file of predictions gets and gives, for samples of any task. */
import type { TaskScores } from './taskScore.js';

export interface TaskScoreRequest {
  dataset: string;
  annotations: string;
  predictions: string;
  /** File of 0-based row numbers of the annotation file. */
  subset?: string;
  /** File of true spans (NExT-GQA), where it is not beside the annotations. */
  spansFile?: string;
  /** Answers of grounded questions, `{"<id>": {"prediction": i, "answer": i}}`. */
  qa?: string;
  /** Predicted spans are fractions of the video. */
  fractions?: boolean;
  /** WordNet's folder, for WUPS. */
  wordnet?: string;
}

export interface TaskScoreResult {
  dataset: string;
  tasks: TaskScores;
  /** What is odd about predictions, a line each: reversed spans, empty texts, ids that the annotations do not have. */
  notices: string[];
}
