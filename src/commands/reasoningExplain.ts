/** `reasvqa reasoning explain`: how one row is graded and refined. */
import type { Command } from 'commander';
import { optionLetter } from '../data/sample.js';
import type { Explained } from '../reasoning/explain.js';
import { fromCwd, type Io, note, print, printJson } from './io.js';

export function addReasoningExplain(reasoning: Command, io: Io): void {
  reasoning
    .command('explain')
    .summary('show how one row is graded and refined, sentence by sentence')
    .description(
      'Shows the rule and the words that the answer of a row was read by, and for every sentence of its text whether refinement keeps it, or the rule that removes it.',
    )
    .argument('<file>', 'JSON lines, of `reasvqa generate` or of another program')
    .argument('<id>', 'id of the row')
    .option('--json', 'print it as JSON (default: off)')
    .action((file: string, id: string, options: { json?: boolean }) => explain(io, file, id, options));
}

async function explain(io: Io, file: string, id: string, { json }: { json?: boolean }): Promise<void> {
  const { explainId } = await import('../reasoning/explain.js');
  const found = await explainId(fromCwd(io, file), id, (line) => note(io, line));
  if (!json) return print(io, explanation(found));
  const { row, grade, stated, parts, refined } = found;
  const { question, options, answer } = row;
  const { predicted, correct } = grade;
  printJson(io, {
    id: row.id,
    question,
    options,
    answer,
    predicted,
    stated,
    correct,
    class: grade.class,
    parts,
    refined,
  });
}

/** A row as text: the question, how it was read, and every sentence behind what happens to it. */
export function explanation({ row, grade, stated, parts }: Explained): string {
  const marks = (i: number) =>
    [i === row.answer && 'true', i === grade.predicted && 'predicted'].filter(Boolean).join(', ');
  const options = row.options.map((text, i) =>
    `  ${optionLetter(i)}. ${oneLine(text)}${marks(i) && `  (${marks(i)})`}`.trimEnd(),
  );
  const sentences = parts
    .filter(({ text }) => text.trim() !== '')
    .map(({ text, removedBy }) => {
      const what = removedBy === undefined ? 'kept' : `removed by "${removedBy || 'white space'}"`;
      return `  ${what}: ${oneLine(text)}`;
    });
  const head = `${oneLine(String(row.id))}${row.question && `: ${oneLine(row.question)}`}`;
  return [head, ...options, `${grade.class}, read by ${oneLine(stated)}`, ...sentences].join('\n');
}

const oneLine = (text: string) => text.replace(/\s+/g, ' ').trim();
