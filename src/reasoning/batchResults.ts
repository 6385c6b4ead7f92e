/** Reads the results of batch files into a file of reasoning, with the checks of live answers. */
import { stat } from 'node:fs/promises';
import { DataError, messageOf } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import type { Sample } from '../data/sample.js';
import { type Asked, asked, type BatchRun } from './batchRequests.js';
import type { GenerateResult } from './generate.js';
import { readJsonLines } from './jsonl.js';
import { type Accepted, answerOf, type Failure } from './judge.js';
import { DiskError, Output, settingsOf } from './output.js';
import { ReplyReader } from './reply.js';
import { differenceOf } from './resume.js';
import { eventOf, messageIn, oneLine } from './transport.js';

export interface BatchResultOptions extends BatchRun {
  /** Files of results, in any order. */
  results: readonly string[];
}

/** So many odd lines are shown one by one. */
const SHOWN = 5;

/**
 * Appends a row for every result that is an answer; its order, and results that came before, do not matter. Lines that are
 * no results and ids that are no samples are passed over with a notice.
 *
 * @throws DataError after all were read when samples have no answer; they are listed in `<out>.failed.jsonl`.
 */
export async function readBatch(options: BatchResultOptions): Promise<GenerateResult> {
  const { samples, teacher, out, writing, results, onNotice } = options;
  const settings = settingsOf(options, teacher);
  const origin = { model: teacher.model, settings };
  const remembered = await readAsked(out);
  const output = await Output.open({ out, samples, ...origin, writing, onNotice });
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  const failures = new Map<string, string>();
  const odd: string[] = [];
  try {
    for (const file of results) {
      const onTorn = (_: number, line: number) => odd.push(`${file}:${line}: the last line is cut off`);
      const onBad = (message: string) => odd.push(message);
      for await (const { value, line } of readJsonLines(file, { onTorn, onBad })) {
        const where = `${file}:${line}`;
        const sample = sampleOf(value, byId);
        if (typeof sample === 'string') {
          odd.push(`${where}: ${sample}`);
          continue;
        }
        if (output.finished.has(sample.id)) continue;
        const about = remembered.get(sample.id);
        const result = about ? resultOf(value, teacher.maxTokens) : undefined;
        const difference = about && differenceOf(about, origin);
        if (!about) failures.set(sample.id, `${where}: ${asked(out)} does not tell what was asked`);
        else if (difference) failures.set(sample.id, `${where}: asked with ${difference}`);
        else if (result && 'text' in result) {
          output.finished.add(sample.id);
          await output.write(sample, result, about.frames);
        } else failures.set(sample.id, `${where}: ${result?.message}`);
      }
    }
    for (const { id } of samples) {
      if (output.finished.has(id)) continue;
      output.failed.push({ id, error: failures.get(id) ?? 'no result', attempts: 0 });
    }
  } catch (error) {
    throw error instanceof DiskError ? error.cause : error;
  } finally {
    await output.close();
  }
  for (const line of odd.slice(0, SHOWN)) onNotice?.(line);
  if (odd.length > SHOWN) onNotice?.(`... and ${odd.length - SHOWN} other lines that were passed over`);
  const [first] = output.failed;
  if (first)
    throw new DataError(
      `${output.failed.length} of ${samples.length} samples have no answer (first: ${first.id}: ${first.error}), listed in ` +
        `${out}.failed.jsonl; the other ${output.tally.done} are kept. Give further results, write the requests of the ` +
        'rest with --batch-requests, or ask a server with --teacher',
    );
  return { ...output.tally, total: samples.length, failed: 0 };
}

/** What was asked, by sample; the last request of a sample counts. */
async function readAsked(out: string): Promise<Map<string, Asked>> {
  const path = asked(out);
  if (!(await stat(path).catch(() => undefined)))
    throw new DataError(
      `${path}: missing; it tells which frames and settings were asked, and is written with the requests: keep it beside ${out}`,
    );
  const list = new Map<string, Asked>();
  for await (const { value, line } of readJsonLines(path, { onTorn: () => {} })) {
    if (typeof value.id !== 'string' || !(value.frames === null || Array.isArray(value.frames)))
      throw new DataError(`${path}:${line}: expected id, frames, model and settings of a request`);
    list.set(value.id, value as unknown as Asked);
  }
  return list;
}

/** The sample that a line is about, or why it is about none. */
function sampleOf(value: Record<string, unknown>, byId: ReadonlyMap<string, Sample>): Sample | string {
  const { custom_id: id } = value;
  if (typeof id !== 'string' || !('response' in value || 'error' in value))
    return 'no result of a batch (custom_id, response)';
  return byId.get(id) ?? oneLine(`no sample has the id ${JSON.stringify(id)}`);
}

function resultOf({ response, error }: Record<string, unknown>, maxTokens: number): Accepted | Failure {
  const failed = (message: string): Failure => ({ message, retry: true, scope: 'sample', retryAfterMs: 0 });
  if (error) return failed(messageIn(error) ?? messageIn({ error }) ?? oneLine(JSON.stringify(error)));
  if (!isRecord(response)) return failed('the result holds no response');
  const { status_code: status = 200, body } = response;
  if (typeof status !== 'number' || status < 200 || status > 299)
    return failed(oneLine(`HTTP ${status} ${messageIn(body) ?? JSON.stringify(body) ?? ''}`));
  try {
    const reply = new ReplyReader();
    reply.add(eventOf(body));
    const usage = reply.usage ? { usage: reply.usage } : {};
    return { ...answerOf(reply.first(), maxTokens), ...usage };
  } catch (problem) {
    return failed(messageOf(problem));
  }
}
