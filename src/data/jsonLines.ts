/** JSON lines: one object a line, the frame of annotation and reasoning files. */

import { isRecord } from '../base/values.js';
import { type ProblemLog, shown } from './problems.js';
import { JsonSyntaxError, type Line, LONGEST_LINE, linesOf, parseJson, type TextSource } from './textFile.js';

/**
 * Reads one object a line. A line that is no object is a problem in the log; a text without any object is one problem.
 * Blank lines are skipped; lines end in LF, CRLF or CR.
 *
 * @param what the meaning of a line, for the message about an empty file.
 */
export async function* readJsonLines(
  source: TextSource,
  what: string,
  log: ProblemLog,
): AsyncGenerator<{ line: number; record: Record<string, unknown> }> {
  const fault = await faultOfAll(source, what);
  if (fault) return log.add(fault.line, fault.field, fault.expected, fault.got);
  for await (const group of linesOf(source, 'any'))
    for (const line of group) {
      if (isBlank(line)) continue;
      const { record, got } = recordOf(line);
      if (record) yield { line: line.line, record };
      else log.add(line.line, 'json', 'one JSON object', got);
    }
}

/** What is wrong with a text that has no object on any line; reads up to the first object. */
async function faultOfAll(source: TextSource, what: string) {
  let first: Line | undefined;
  let lines = 0;
  for await (const group of linesOf(source, 'any'))
    for (const line of group) {
      if (isBlank(line)) continue;
      if (recordOf(line).record) return undefined;
      first ??= line;
      lines++;
    }
  if (!first) return { line: 1, field: 'rows', expected: `at least one ${what}`, got: 'an empty file' };
  const other = otherForm(first.text, lines);
  if (other === undefined) return undefined;
  return { line: first.line, field: 'json', expected: 'one JSON object a line', got: other };
}

const isBlank = ({ text, tooLong }: Line) => !tooLong && text.trim() === '';

/** The JSON object of a line, or the text there instead. */
function recordOf({ text, tooLong }: Line): { record?: Record<string, unknown>; got: string } {
  if (tooLong) return { got: `a line of more than ${LONGEST_LINE} characters` };
  try {
    const value = parseJson(text);
    return isRecord(value) ? { record: value, got: '' } : { got: shown(value) };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return { got: error.message };
  }
}

/** Names the form of a text without any object, by its first line, where it is recognised. */
function otherForm(text: string, lines: number): string | undefined {
  if (/^\s*\[/.test(text)) return 'a JSON list; write its elements one a line, without brackets and commas';
  if (lines < 2) return undefined;
  if (/^\s*\{/.test(text)) return `no object on any of ${lines} lines; write each object on one line`;
  const begin = shown(text.trim());
  return `${begin}, and no object on any of ${lines} lines; is it a file of another dataset?`;
}
