/** The teacher's prompt. */
import { createHash } from 'node:crypto';
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

/** Eight hex digits that change when the wording does; each line of reasoning carries them. */
export const TEACHER_PROMPT_ID = createHash('sha256')
  .update(teacherPrompt('question', ['option', 'option']))
  .digest('hex')
  .slice(0, 8);

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
