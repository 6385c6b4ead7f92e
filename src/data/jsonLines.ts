/** JSON lines: one object a line, the frame of annotation and reasoning files. */

import { isRecord } from '../base/values.js';
import { type ProblemLog, shown } from './problems.js';
import { JsonSyntaxError, numberedLines, parseJson } from './textFile.js';

/**
 * Reads one object a line. A line that is no object is a problem in the log; a text without any object is one problem.
 * Blank lines are skipped.
 *
 * @param what the meaning of a line, for the message about an empty file.
 */
export function* readJsonLines(
  text: string,
  what: string,
  log: ProblemLog,
): Generator<{ line: number; record: Record<string, unknown> }> {
  const lines = [...numberedLines(text)].map(({ line, text: content }) => ({ line, ...recordOf(content) }));
  const first = lines[0];
  if (!first) return log.add(1, 'rows', `at least one ${what}`, 'an empty file');
  const other = lines.some(({ record }) => record) ? undefined : otherForm(text, lines.length);
  if (other !== undefined) return log.add(first.line, 'json', 'one JSON object a line', other);
  for (const { line, record, got } of lines) {
    if (record) yield { line, record };
    else log.add(line, 'json', 'one JSON object', got);
  }
}

/** The JSON object of a line, or the text there instead. */
function recordOf(content: string): { record?: Record<string, unknown>; got: string } {
  try {
    const value = parseJson(content);
    return isRecord(value) ? { record: value, got: '' } : { got: shown(value) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return { got: error.message };
  }
}

/** Names the form of a text without any object, where it is recognised. */
function otherForm(text: string, lines: number): string | undefined {
  if (/^\s*\[/.test(text)) return 'a JSON list; write its elements one a line, without brackets and commas';
  if (lines < 2) return undefined;
  if (/^\s*\{/.test(text)) return `no object on any of ${lines} lines; write each object on one line`;
  const begin = shown(text.trimStart().split(/[\r\n]/, 1)[0]);
  return `${begin}, and no object on any of ${lines} lines; is it a file of another dataset?`;
}
