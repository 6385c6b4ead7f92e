/**
 * The findings of a survey, `survey.jsonl` of the run folder: a first line with the origin, then one finding a line, a batch
 * at a time. A kill loses the batch that was asked; a survey of other weights, data or settings is begun anew.
 */
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError, messageOf } from '../../../base/errors.js';
import { writeFileAtomic } from '../../../base/files.js';
import { unwritten } from '../../../base/unwritten.js';
import { isRecord } from '../../../base/values.js';
import type { Sample } from '../../../data/sample.js';
import type { Finding } from './passes.js';

export class SurveyFile {
  private constructor(
    private readonly path: string,
    private readonly findings: Map<string, Finding>,
  ) {}

  /**
   * @param origin tells surveys apart: hashes of what their findings follow from
   * @throws DataError for a line that is no finding
   */
  static async open(folder: string, origin: string): Promise<SurveyFile> {
    const path = join(folder, 'survey.jsonl');
    const head = JSON.stringify({ origin });
    const text = await readFile(path, 'utf8').catch((error) => {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw new DataError(`${path}: cannot be read (${messageOf(error)})`, { cause: error });
    });
    // What follows the last line break was cut off by a kill.
    const lines = text.split('\n').slice(0, -1);
    const own = lines[0] === head ? lines.slice(1) : [];
    const findings = own.map((line, i) => parse(line, `${path}:${i + 2}`));
    const kept = [head, ...own].map((line) => `${line}\n`).join('');
    if (kept !== text) await writeFileAtomic(path, kept);
    return new SurveyFile(path, new Map(findings.map((finding) => [finding.id, finding])));
  }

  /** The findings of a batch; undefined unless all of them are known. */
  known(samples: readonly Sample[]): Finding[] | undefined {
    const found = samples.flatMap(({ id }) => this.findings.get(id) ?? []);
    return found.length === samples.length ? found : undefined;
  }

  async add(findings: readonly Finding[]): Promise<void> {
    for (const finding of findings) this.findings.set(finding.id, finding);
    try {
      const file = await open(this.path, 'a');
      try {
        await file.writeFile(findings.map((finding) => `${JSON.stringify(finding)}\n`).join(''));
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      throw new DataError(`${this.path}: ${unwritten(this.path, error)}`, { cause: error });
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }
}

function parse(line: string, place: string): Finding {
  try {
    const value: unknown = JSON.parse(line);
    if (isRecord(value) && typeof value.id === 'string' && Array.isArray(value.solved))
      return value as unknown as Finding;
  } catch {
    // Said below.
  }
  throw new DataError(
    `${place}: expected a finding of a survey, found ${line.slice(0, 60)}; remove the file`,
  );
}
