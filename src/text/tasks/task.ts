/** What a task is to the rest of the program: how it is asked, what is learned, and how an answer is read. */
import { DataError } from '../../base/errors.js';
import type { Sample, Span, Task } from '../../data/sample.js';
import { type EncodedText, encodeText } from '../encode.js';
import type { TextForm } from '../forms.js';
import { taggedParts } from '../tags.js';
import type { AnswerPlace, Tokenizer } from '../tokenizer.js';

/** What a written text says; what it does not say is absent. */
export interface Reading {
  /** 0-based option. */
  prediction?: number;
  span?: Span;
  text?: string;
}

/** One task; a file of this folder each. */
export interface TaskForm {
  readonly name: Task;
  /** Its loss in metrics, `train/loss_<loss>`. */
  readonly loss: string;
  /** Its prompt, where the recipe has none (text.prompts); the prompt of `choice` is text.template. */
  template(form: TextForm): string;
  /** Placeholders of which a prompt must have one each. */
  readonly fields: readonly (readonly string[])[];
  /** Keys of a sample that are learned and scored. */
  readonly truth: readonly (keyof Sample)[];
  /**
   * Tokens to learn, the end token included.
   *
   * @param limit most tokens of a text; letters and spans are never cut
   * @throws DataError when the sample lacks what its task needs
   */
  target(sample: Sample, tokenizer: Tokenizer, place: AnswerPlace, limit: number): EncodedText;
  /** Reads what a student wrote about the sample. */
  read(text: string, sample: Sample): Reading;
  /** The metric that stands for the task where one number must: the choice of a checkpoint without choice questions. */
  readonly mainMetric: string;
}

/** Tokens of a written answer; behind reasoning they follow the mark that ends it ({@link TextForm.answerMark}). */
export function writtenTarget(
  tokenizer: Tokenizer,
  text: string,
  place: AnswerPlace,
  limit: number,
): EncodedText {
  if (place === 'alone') return encodeText(tokenizer, text, limit);
  const mark = answerMarkIds(tokenizer);
  const { ids, truncated } = encodeText(tokenizer, spaced(tokenizer, text), limit);
  return { ids: [...mark, ...ids], truncated };
}

/** Tokens between reasoning and a written answer. */
export function answerMarkIds(tokenizer: Tokenizer): number[] {
  return tokenizer.encode(tokenizer.form.answerMark, { addEos: false });
}

/** A text behind another one: a byte-level tokenizer has the space in the word's own token, others add it themselves. */
export function spaced({ form }: Pick<Tokenizer, 'form'>, text: string): string {
  return form.chat ? ` ${text}` : text;
}

/** The reasoning and the answer of a text that may hold both: they are in tags, or the answer follows the last mark. */
export function partsOf({ answerMark }: TextForm, text: string): { reasoning?: string; answer: string } {
  const tagged = taggedParts(text);
  if (tagged) return tagged;
  const mark = answerMark.trim();
  const at = text.lastIndexOf(mark);
  if (at < 0) return { answer: text.trim() };
  return { reasoning: text.slice(0, at).trim(), answer: text.slice(at + mark.length).trim() };
}

/** The error of a sample without the key that its task is learned from. */
export function lacks({ id }: Pick<Sample, 'id'>, task: Task, key: keyof Sample): DataError {
  return new DataError(`sample ${id}: task ${task} has no ${key}, so it cannot be trained on or scored`);
}
