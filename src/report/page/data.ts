/** What the page's program is given, as JSON in the page (examples and their frames). */
import type { RefinedPart } from '../../reasoning/refine.js';

export interface PageData {
  settings: { name: string; seeds: number[] }[];
  clips: PageClip[];
  examples: PageExample[];
}

/** One picture with the frames of a clip below each other, or why there is none. */
export type PageClip =
  | {
      /** What the picture is (`webp`, `jpeg`), in base64. */
      type: string;
      data: string;
      /** Of one frame, in pixels. */
      width: number;
      height: number;
      /** Seconds since the video's first frame, one a frame. */
      times: number[];
    }
  | { error: string };

export interface PageExample {
  /** Unique; what stands behind the # of its address. */
  key: string;
  id: string;
  split: 'validation' | 'training';
  dataset: string;
  type: string;
  question: string;
  options: string[];
  /** Ground truth, 0-based. */
  answer: number | null;
  /** Its place in the clips. */
  clip: number;
  /** By setting; null where the setting was not asked. */
  answers: (PageAnswer | null)[];
  teacher?: PageTeacher;
  /** The student's own reasoning, and which student that is. */
  own?: { name: string; text: string };
}

/** What the students of a setting said. */
export interface PageAnswer {
  /** The option of the highest mean probability, or without probabilities the one that most seeds name. */
  chosen: number;
  /** The option of every seed that was asked. */
  picks: number[];
  /** Mean probability of every option in thousandths; absent where answers were read off text. */
  probabilities?: number[];
}

export interface PageTeacher {
  /** The option that it named; null when it named none, absent when that is not known. */
  predicted?: number | null;
  correct: boolean | null;
  parts: RefinedPart[];
  note?: string;
}
