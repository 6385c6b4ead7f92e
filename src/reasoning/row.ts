/** The lines of a file of reasoning. */
import type { Usage } from './reply.js';

/** One line of the output: the teacher's text about one sample. */
export interface ReasoningRow {
  id: string;
  question: string;
  options: string[];
  /** The teacher's text as it came, after any separately sent thinking in `<think>` tags. */
  reasoning: string;
  /** 0-based option read from the text, or null. */
  predicted: number | null;
  /** Ground truth, or null in a blind split. */
  answer: number | null;
  /** Whether they are equal; null without a predicted option or without ground truth. */
  correct: boolean | null;
  /** `stop`, or `length` when the answer was cut at max_tokens. */
  finish_reason: string;
  model: string;
  /** Frame numbers that were shown, when the video module knows them. */
  frames: number[] | null;
  settings: ReasoningSettings;
  /** Tokens that the answer took, where the server told; `model` is its name there, where that is another one. */
  usage?: Usage & { model?: string };
}

/** Settings that a line depends on beside its sample; one file never mixes lines of different settings. */
export interface ReasoningSettings {
  prompt: string;
  temperature: number;
  max_tokens: number;
  /** Frames per video. */
  n: number;
  /** Longer side of the images in pixels, null when they were shown as decoded; older files do not say. */
  max_side: number | null;
  /** Quality of JPEG images; absent for PNG, which loses nothing. */
  image_quality?: number;
  /** OpenAI's `detail` of the images; absent when it was not sent. */
  image_detail?: string;
  /** Stands for the system message, as `prompt` for the prompt; absent without one. */
  system?: string;
  /** Absent when none was sent. */
  seed?: number;
  /** What a prompt of the user's asks for, where that is no reasoning; our own prompts tell it by their id. */
  writing?: string;
}
