/** Questions from a file of JSON lines: {"question": ..., "options": [...], "task": ...}. */
import { DataError, UsageError } from '../base/errors.js';
import { readJsonLines } from '../data/jsonLines.js';
import { ProblemLog } from '../data/problems.js';
import { DESCRIBE, type Task } from '../data/sample.js';
import { isGiven, streamSource, textSource } from '../data/textFile.js';
import { checkQuery, type Query } from './ask.js';

/**
 * Reads questions; other keys of a line are left alone, so that a file of samples will do.
 *
 * @param path of the file; without one standard input is read
 * @param name of the file in messages
 * @throws DataError with the first line that is wrong
 */
export async function readQueries(path: string | undefined, name: string): Promise<Query[]> {
  const source = path === undefined ? await streamSource(name, process.stdin) : await textSource(path);
  const log = new ProblemLog(name);
  const queries: Query[] = [];
  for await (const { line, record } of readJsonLines(source, 'question', log)) {
    const query = queryOf(record);
    if (typeof query !== 'string') queries.push(query);
    else
      log.add(
        line,
        /^(?:option|task)/.exec(query)?.[0].replace('option', 'options') ?? 'question',
        'a question that can be asked',
        query,
      );
  }
  log.throwIfAny();
  if (queries.length === 0) throw new DataError(`${name}: no question`);
  return queries;
}

/** A query, or what is wrong with it. */
function queryOf({ question: asked, options, task }: Record<string, unknown>): Query | string {
  // A caption sample needs no question of its own.
  const question = task === 'caption' ? (asked ?? DESCRIBE) : asked;
  if (typeof question !== 'string') return 'question: no text';
  const given = options ?? undefined;
  const texts = Array.isArray(given) && given.every((each) => typeof each === 'string') ? given : undefined;
  if (given !== undefined && !texts) return 'options: no list of texts';
  const query = {
    question,
    ...(texts && texts.length > 0 && { options: texts as string[] }),
    ...(isGiven(task) && { task: task as Task }),
  };
  try {
    checkQuery(query);
    return query;
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
}
