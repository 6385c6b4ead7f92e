/** The teacher's prompt. */
import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { messageOf, UsageError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { optionLetter } from '../data/sample.js';

/** The instruction of the prompt, word for word as in the paper's appendix A.3. */
export const TEACHER_INSTRUCTION =
  'These frames are uniformly sampled from a video. Given a question about the video, you should choose the ' +
  'correct answer option from a list of possible answers based on the video content and respond with the option ' +
  "in the format '###Answer: A'. You should also provide a detailed reasoning process explaining why the chosen " +
  'answer is correct. Cite specific details from the video frames to support your answer. Explain each step of ' +
  'the reasoning to ensure that the answer is logical and reliable.';

/**
 * The options as the prompt lists them: `A: The blanket, B: The table`. The paper prints neither the letters nor
 * the separator; its Figure 2 writes an option as "A: The blanket". A final full stop of an option is dropped,
 * since the template ends with its own.
 */
function formatHints(options: readonly string[]): string {
  return options.map((option, i) => `${optionLetter(i)}: ${oneLine(option).replace(/\.+$/, '')}`).join(', ');
}

/** The whole prompt for one sample: instruction, `###Question: ...,` and `###Hints: ....` */
export function teacherPrompt(question: string, options: readonly string[]): string {
  return `${TEACHER_INSTRUCTION} ###Question: ${oneLine(question)}, ###Hints: ${formatHints(options)}.`;
}

/**
 * The question and options in a text made by {@link teacherPrompt}, for servers that stand in for a teacher;
 * undefined when the text has another form. Options come back without their final full stop.
 */
export function parseTeacherPrompt(text: string): { question: string; options: string[] } | undefined {
  const match = /###Question: (.*), ###Hints: A: (.*)\.$/s.exec(text.trim());
  if (!match) return undefined;
  const options: string[] = [];
  let rest = match[2] as string;
  for (let next = 1; next < 26; next++) {
    const mark = `, ${optionLetter(next)}: `;
    const at = rest.indexOf(mark);
    if (at < 0) break;
    options.push(rest.slice(0, at));
    rest = rest.slice(at + mark.length);
  }
  options.push(rest);
  return { question: match[1] as string, options };
}

/** What a teacher can be asked to write: reasoning, or one of the captions that table 9 compares it with. */
export const WRITINGS = ['reasoning', 'brief', 'detailed'] as const;
export type Writing = (typeof WRITINGS)[number];

/** The paper does not print the prompts of its captions; these are ours. */
const CAPTION_INSTRUCTIONS: Readonly<Record<Exclude<Writing, 'reasoning'>, string>> = {
  brief: 'These frames are uniformly sampled from a video. Describe the video in one short sentence.',
  detailed:
    'These frames are uniformly sampled from a video. Describe the video in detail: the people and objects in it, where ' +
    'they are, what they do and in which order.',
};

/** The caption that a prompt of ours asks for; undefined for any other prompt. */
export function captionAsked(prompt: string): Exclude<Writing, 'reasoning'> | undefined {
  const asked = prompt.trim();
  return (['brief', 'detailed'] as const).find((writing) => asked === CAPTION_INSTRUCTIONS[writing]);
}

/**
 * The prompt for one sample; a caption's knows neither the question nor the options.
 *
 * @param template wording of the user's, with `{question}` and `{options}` where they belong; see {@link readTemplate}.
 */
export function promptFor(
  writing: Writing,
  question: string,
  options: readonly string[],
  template?: string,
): string {
  if (template !== undefined) {
    const values: Record<string, string> = { question: oneLine(question), options: formatHints(options) };
    return template.replace(PLACEHOLDER, (whole, name: string) => values[name] ?? whole);
  }
  return writing === 'reasoning' ? teacherPrompt(question, options) : CAPTION_INSTRUCTIONS[writing];
}

/** Eight hex digits that change when the wording does; each line of a teacher's file carries them. */
export function promptId(writing: Writing, template?: string): string {
  return textId(promptFor(writing, 'question', ['option', 'option'], template));
}

/** Whether a row with these `settings` holds a caption: asked for by our own words, or by a prompt of the user's. */
export function isCaption(settings: unknown): boolean {
  if (!isRecord(settings)) return false;
  captionIds ??= WRITINGS.filter((writing) => writing !== 'reasoning').map((writing) => promptId(writing));
  return settings.writing !== undefined || captionIds.includes(String(settings.prompt));
}

/** What a person calls the prompt with this id: our own by what it asks for, another one by the id. */
export function promptName(id: string): string {
  const own = WRITINGS.find((writing) => promptId(writing) === id);
  return own === undefined
    ? `a file's (${id})`
    : own === 'reasoning'
      ? "the paper's"
      : `ours of a ${own} caption`;
}

let captionIds: string[] | undefined;

/** Eight hex digits that stand for a text. */
export function textId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/** A word in braces; JSON in a prompt has quotes after its brace. */
const PLACEHOLDER = /\{([A-Za-z_]\w*)\}/g;
const PLACEHOLDERS = ['question', 'options'];

/**
 * Reads a prompt of the user's. The paper's reads "... ###Question: {question}, ###Hints: {options}."
 *
 * @throws UsageError for an unreadable or empty file, for an unknown placeholder, and for a prompt of reasoning without
 *   the question or the options.
 */
export async function readTemplate(path: string, writing: Writing): Promise<string> {
  const text = await readPromptText(path, 'prompt');
  const known = `the placeholders are ${PLACEHOLDERS.map((name) => `{${name}}`).join(' and ')}`;
  for (const match of text.matchAll(PLACEHOLDER)) {
    if (PLACEHOLDERS.includes(match[1] as string)) continue;
    const line = text.slice(0, match.index).split('\n').length;
    throw new UsageError(`${path}:${line}: unknown placeholder ${match[0]}; ${known}`);
  }
  const missing = PLACEHOLDERS.find((name) => !text.includes(`{${name}}`));
  if (missing && writing === 'reasoning')
    throw new UsageError(`${path}: {${missing}} is missing, so the teacher would not see it; ${known}`);
  return text;
}

/**
 * A prompt or system message from a file, without a final line break.
 *
 * @throws UsageError for a file that is missing, empty, no UTF-8 text or longer than 64 KiB.
 */
export async function readPromptText(path: string, what: string): Promise<string> {
  let bytes: Buffer;
  try {
    const { size } = await stat(path);
    if (size > 65_536) throw new Error(`${size} bytes, expected at most 65536`);
    bytes = await readFile(path);
  } catch (error) {
    throw new UsageError(`${path}: the ${what} cannot be read (${messageOf(error)})`, { cause: error });
  }
  const text = isUtf8(bytes) ? new TextDecoder().decode(bytes).replace(/\s+$/, '') : '';
  if (text.trim() === '' || text.includes('\0'))
    throw new UsageError(`${path}: the ${what} is empty or no UTF-8 text`);
  return text;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
