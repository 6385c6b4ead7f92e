/** Tasks: every one asks, teaches and reads by the same contract, with the vocabulary that ships. */
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Sample, TASKS } from '../../../src/data/sample.js';
import { CHAT_FORM, PLAIN_FORM } from '../../../src/text/forms.js';
import { DEFAULT_QA_TEMPLATE, qaPrompt } from '../../../src/text/prompts.js';
import {
  lacksOf,
  MAX_ANSWER,
  statesDuration,
  TASK_FORMS,
  taskForm,
  taskPrompt,
  templateOf,
} from '../../../src/text/tasks/index.js';
import { answerMarkIds, partsOf } from '../../../src/text/tasks/task.js';
import { Tokenizer } from '../../../src/text/tokenizer.js';

const SETTINGS = { template: DEFAULT_QA_TEMPLATE };
const common = { id: 'a', dataset: 'jsonl', video: 'a.mp4', type: 'all', question: 'what moves' };
const options = ['the cube', 'the ball', 'nothing'];

/** A sample of each task, with the answer that its text must say. */
const SAMPLES: Record<(typeof TASKS)[number], Sample> = {
  choice: { ...common, options, answer: 1 },
  open: { ...common, task: 'open', options: [], answers: ['the ball', 'ball'] },
  caption: { ...common, task: 'caption', options: [], captions: ['the ball moves left'] },
  ground: { ...common, task: 'ground', options: [], spans: [[3.2, 7.8]], duration: 12 },
  'grounded-choice': {
    ...common,
    ...{ task: 'grounded-choice', options, answer: 2, spans: [[0.5, 1.5]], duration: 12 },
  },
};

const READINGS = {
  choice: { prediction: 1 },
  open: { text: 'the ball' },
  caption: { text: 'the ball moves left' },
  ground: { span: [3.2, 7.8], text: '3.2 to 7.8 seconds' },
  'grounded-choice': { prediction: 2, span: [0.5, 1.5], text: 'Option C 0.5 to 1.5 seconds' },
};

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(fileURLToPath(new URL('../../../weights/shapes', import.meta.url)));
});

describe.each(TASKS)('task %s', (task) => {
  const sample = SAMPLES[task];

  it('reads what it teaches', () => {
    const { ids, truncated } = taskForm(sample).target(sample, tokenizer, 'alone', MAX_ANSWER);
    expect(truncated).toBe(false);
    expect(ids.at(-1)).toBe(tokenizer.eosId);
    expect(ids).not.toContain(tokenizer.unkId);
    expect(taskForm(sample).read(tokenizer.decode(ids), sample)).toEqual(READINGS[task]);
  });

  it('reads what it teaches behind reasoning', () => {
    const { ids } = taskForm(sample).target(sample, tokenizer, 'afterReasoning', MAX_ANSWER);
    const text = `the cube moves at 1 to 2 seconds ${tokenizer.decode(ids)}`;
    const { answer } = partsOf(tokenizer.form, text);
    const own = task === 'grounded-choice' ? { text: text.trim() } : {};
    expect(taskForm(sample).read(answer, sample)).toMatchObject({ ...READINGS[task], ...own });
  });

  it('names the key that a sample lacks', () => {
    for (const key of taskForm(sample).truth) {
      const blind = { ...sample, [key]: undefined };
      expect(lacksOf(blind)?.message).toBe(
        `sample a: task ${task} has no ${key}, so it cannot be trained on or scored`,
      );
      expect(() => taskForm(sample).target(blind, tokenizer, 'alone', MAX_ANSWER)).toThrow('sample a: ');
    }
    expect(lacksOf(sample)).toBeUndefined();
  });

  it('has prompts with the fields that a recipe must give it', () => {
    for (const form of [PLAIN_FORM, CHAT_FORM]) {
      const template = TASK_FORMS[task].template(form);
      for (const fields of TASK_FORMS[task].fields)
        expect(fields.some((field) => template.includes(field))).toBe(true);
      expect(template.includes('{duration}')).toBe(statesDuration(sample, SETTINGS));
      expect(qaPrompt(sample, template, '12.0')).not.toMatch(/[{}]|undefined/);
    }
  });
});

describe('the prompt of a sample', () => {
  it('of choice is text.template, whatever the other tasks have', () => {
    const settings = { ...SETTINGS, prompts: { open: 'Q {question}' } };
    expect(taskPrompt(SAMPLES.choice, settings, tokenizer)).toBe(qaPrompt(SAMPLES.choice));
    expect(taskPrompt(SAMPLES.open, settings, tokenizer)).toBe('Q what moves');
    expect(templateOf(SAMPLES.caption, settings, tokenizer)).toBe('{question}');
  });

  it('of a span states the length of the video, and wants it', () => {
    expect(taskPrompt(SAMPLES.ground, SETTINGS, tokenizer)).toBe(
      'The video lasts 12.0 seconds. Question: what moves Start and end in seconds:',
    );
    const { duration: _, ...unknown } = SAMPLES.ground;
    expect(() => taskPrompt(unknown, SETTINGS, tokenizer)).toThrow('sample a: no duration');
    const settings = { ...SETTINGS, prompts: { ground: 'When? {question}' } };
    expect(taskPrompt(unknown, settings, tokenizer)).toBe('When? what moves');
  });

  it('never fills in what a question itself says', () => {
    const sample = { ...SAMPLES.open, question: 'is {duration} or {options} $& meant' };
    expect(taskPrompt(sample, SETTINGS, tokenizer)).toContain('is {duration} or {options} $& meant');
  });
});

describe('a text that is too long', () => {
  it('is cut with its end token, and said so; a span never is', () => {
    const long = { ...SAMPLES.caption, captions: ['ball '.repeat(10_000)] };
    const { ids, truncated } = taskForm(long).target(long, tokenizer, 'alone', 7);
    expect(truncated).toBe(true);
    expect(ids).toHaveLength(7);
    expect(ids.at(-1)).toBe(tokenizer.eosId);
    const span = taskForm(SAMPLES.ground).target(SAMPLES.ground, tokenizer, 'alone', 2);
    expect(span.truncated).toBe(false);
  });
});

describe('reasoning and answer in one text', () => {
  it('are told apart at the last mark', () => {
    expect(partsOf(PLAIN_FORM, 'a Answer: b Answer: 3 to 4')).toEqual({
      reasoning: 'a Answer: b',
      answer: '3 to 4',
    });
    expect(partsOf(PLAIN_FORM, '  3 to 4 ')).toEqual({ answer: '3 to 4' });
  });

  it('stand around tokens that the vocabulary knows', () => {
    const ids = answerMarkIds(tokenizer);
    expect(ids).not.toContain(tokenizer.unkId);
    const { ids: row } = taskForm(SAMPLES.ground).target(SAMPLES.ground, tokenizer, 'afterReasoning', 64);
    expect(row.slice(0, ids.length)).toEqual(ids);
  });
});
