/** The tasks by name, and the prompt of a sample by its task. */
import { DataError } from '../../base/errors.js';
import { type Sample, type Task, taskOf } from '../../data/sample.js';
import { PLAIN_FORM } from '../forms.js';
import { qaPrompt } from '../prompts.js';
import type { Tokenizer } from '../tokenizer.js';
import { caption } from './caption.js';
import { choice } from './choice.js';
import { ground } from './ground.js';
import { groundedChoice } from './groundedChoice.js';
import { open } from './open.js';
import { secondsText } from './spanText.js';
import { lacks, type TaskForm } from './task.js';

/** Every task, in the order of reports. */
export const TASK_FORMS: Readonly<Record<Task, TaskForm>> = {
  choice,
  open,
  caption,
  ground,
  'grounded-choice': groundedChoice,
};

export const taskForm = (sample: Pick<Sample, 'task'>): TaskForm => TASK_FORMS[taskOf(sample)];

/** The error of a sample that lacks what its task is learned from and scored by; undefined for one that does not. */
export function lacksOf(sample: Sample): DataError | undefined {
  const { name, truth } = taskForm(sample);
  const missing = truth.find((key) => sample[key] === undefined);
  return missing && lacks(sample, name, missing);
}

/** Tokens of a written answer where a recipe says nothing (text.maxAnswer): captions of two sentences fit. */
export const MAX_ANSWER = 64;

/** Settings of a recipe that prompts are made with. */
export interface PromptSettings {
  /** The prompt of `choice`. */
  template: string;
  /** Prompts of other tasks in place of their own. */
  prompts?: Partial<Record<Exclude<Task, 'choice'>, string | undefined>> | undefined;
}

/** The template of a sample's prompt. */
export function templateOf(
  sample: Pick<Sample, 'task'>,
  { template, prompts }: PromptSettings,
  { form }: Pick<Tokenizer, 'form'>,
): string {
  const { name, template: own } = taskForm(sample);
  return name === 'choice' ? template : (prompts?.[name] ?? own(form));
}

/** Whether the sample's prompt states how long its video is; a task's own prompts do so in every form, or in none. */
export function statesDuration(sample: Pick<Sample, 'task'>, settings: PromptSettings): boolean {
  return templateOf(sample, settings, { form: PLAIN_FORM }).includes(DURATION);
}

const DURATION = '{duration}';

/**
 * The prompt of a sample by its task, as text.
 *
 * @throws DataError when the prompt states the video's length and the sample does not
 */
export function taskPrompt(
  sample: Pick<Sample, 'id' | 'task' | 'question' | 'options' | 'duration'>,
  settings: PromptSettings,
  tokenizer: Pick<Tokenizer, 'form'>,
): string {
  const template = templateOf(sample, settings, tokenizer);
  const { duration } = sample;
  if (duration === undefined && template.includes(DURATION))
    throw new DataError(`sample ${sample.id}: no duration, which the prompt of ${taskOf(sample)} states`);
  return qaPrompt(sample, template, duration === undefined ? undefined : secondsText(duration));
}
