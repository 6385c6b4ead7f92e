/** The one record every dataset is read into and every stage passes on. */

/** What a sample asks for: an option, a free text, a description, or when something happens. */
export const TASKS = ['choice', 'open', 'caption', 'ground', 'grounded-choice'] as const;
export type Task = (typeof TASKS)[number];

/** A stretch of a video, [start, end] in seconds, 0 <= start < end. */
export type Span = readonly [number, number];

/** One JSON line is one sample, so users bring their own data in this form (README, "Your own data"). */
export interface Sample {
  /** Unique within a dataset; `<video>_<qid>` for NExT-QA and IntentQA, `question_id` for STAR. */
  id: string;
  dataset: string;
  /** Video id or path relative to the data root, as the annotation names it. */
  video: string;
  /** Clip bounds in seconds; the whole video when absent. */
  start?: number;
  end?: number;
  /** The task; `choice` unless given. */
  task?: Task;
  question: string;
  /** 2 to 26 answer options, in order; none where the task is open, caption or ground. */
  options: string[];
  /** 0-based index into options; absent in blind test splits. */
  answer?: number;
  /** Accepted texts of an open question, the usual one first; absent in blind splits. */
  answers?: string[];
  /** Reference descriptions of a caption sample; absent in blind splits. */
  captions?: string[];
  /** When what is asked about happens, in seconds since the video's first frame; absent in blind splits. */
  spans?: Span[];
  /** Length of the video in seconds, as the annotation states it. */
  duration?: number;
  /** Question type, for example CW or Interaction. */
  type: string;
  /** Refined reasoning of the teacher, when there is any. */
  reasoning?: string;
  /** Whether the teacher's own answer was right (the paper's CR against IR, section 3.1). */
  reasoningCorrect?: boolean;
  /** Made by the program, for students that look again (src/text/looking.ts): */
  /** What is learned is to call for this span, in place of the answer. */
  call?: Span;
  /** A later turn, whose `start` and `end` are what is looked at. */
  look?: Look;
}

/** What a student is given beside its question when it looks again. */
export interface Look {
  /** What its last call came to; before the prompt. */
  result: string;
  /** What it wrote before; behind the prompt. */
  before: string;
  /** Most frames a second that it is shown; absent where no call was answered, and it sees the frames that it saw. */
  perSecond?: number;
  /** These frames will be looked at again, so that their features may be stored. */
  kept: boolean;
}

/** The question of a caption sample that has none. */
export const DESCRIBE = 'Describe what happens in the video.';

/** The task of a sample. */
export function taskOf({ task }: Pick<Sample, 'task'>): Task {
  return task ?? 'choice';
}

/** The keys that hold the truth of a task's samples; a blind split has none of them. */
export const TRUTH_KEYS = {
  choice: ['answer'],
  open: ['answers'],
  caption: ['captions'],
  ground: ['spans'],
  'grounded-choice': ['answer', 'spans'],
} as const satisfies Record<Task, readonly (keyof Sample)[]>;

/** Whether a sample states all of its truth. */
export function hasTruth(sample: Sample): boolean {
  return TRUTH_KEYS[taskOf(sample)].every((key) => sample[key] !== undefined);
}

/** Most options of a question: their letters end with Z. */
export const MAX_OPTIONS = 26;

/** The letter of option `index`: 0 is A. */
export function optionLetter(index: number): string {
  return String.fromCharCode(65 + index);
}
