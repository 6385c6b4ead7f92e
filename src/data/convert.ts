/** Writes annotations of one form in another. What the other form cannot hold is named and counted. */
import { DataError, UsageError } from '../base/errors.js';
import { refuseInput, writeAtomic } from '../base/files.js';
import { annotationRows } from './annotations.js';
import { datasetOf, NotWritable, type SampleWriter } from './datasets/index.js';
import { describeProblem, placeOf } from './problems.js';
import { hasTruth, type Sample } from './sample.js';
import { TextIndex } from './textIndex.js';

/** Characters that are written at once. */
const PIECE = 2 ** 18;

export interface ConvertRequest {
  /** Dataset of the files, and the files; several become one. */
  from: string;
  files: readonly string[];
  /** Dataset to write, and its form; the usual one unless given. */
  to: string;
  form?: string;
  out: string;
  /** Leaves out what the form cannot hold; without it that is an error. */
  allowLoss: boolean;
}

export interface Conversion {
  form: string;
  /** Samples that were written. */
  samples: number;
  /** Parts of samples that were left out, with the number of samples that had them. */
  lost: Record<string, number>;
  /** Samples that were left out, with the reasons, and the place of the first. */
  leftOut: { reason: string; count: number; first: string }[];
  /** Columns or keys of the files that no part of a sample comes from, with the number of samples that have them. */
  unread: Record<string, number>;
}

/**
 * Converts annotation files. The output appears when it is whole.
 *
 * @throws UsageError for a dataset or form that is not known or written, and for an output that is an input; DataError for
 *   the first bad row, for ids that two files share, and, unless allowed, for anything that the form cannot hold.
 */
export async function convertAnnotations(request: ConvertRequest): Promise<Conversion> {
  const { to, out, allowLoss } = request;
  const conversion = new Converter(request, writerOf(to, request.form));
  await refuseInput(out, request.files);
  await writeAtomic(out, async (file) => {
    let text = '';
    for await (const piece of conversion.pieces()) {
      text += piece;
      if (text.length < PIECE) continue;
      await file.writeFile(text);
      text = '';
    }
    await file.writeFile(text);
    const loss = describeLoss(conversion.result);
    if (loss !== '' && !allowLoss)
      throw new DataError(
        `${out}: not written, ${to} (${conversion.result.form}) cannot hold ${loss}; --allow-loss leaves it out`,
      );
    if (conversion.result.samples === 0)
      throw new DataError(`${out}: not written, ${to} can hold none of the samples (${loss})`);
  });
  return conversion.result;
}

/** What was left out, in one line; empty when nothing was. */
export function describeLoss({ lost, leftOut }: Conversion): string {
  return [
    ...Object.entries(lost).map(([name, count]) => `${name} of ${counted(count, 'sample')}`),
    ...leftOut.map(({ reason, count, first }) => `${counted(count, 'sample')} ${reason} (first ${first})`),
  ].join(', ');
}

function writerOf(to: string, form: string | undefined): SampleWriter {
  const writers = datasetOf(to).write ?? [];
  const forms = writers.map((writer) => writer.form);
  const found = form === undefined ? writers[0] : writers.find((writer) => writer.form === form);
  if (found) return found;
  if (forms.length === 0) throw new UsageError(`--to ${to}: files of this dataset are read, not written`);
  throw new UsageError(`--form ${form}: expected ${forms.join(' or ')} for ${to}`);
}

class Converter {
  readonly result: Conversion;
  private readonly ids = new TextIndex();
  private answered: boolean | undefined;

  constructor(
    private readonly request: ConvertRequest,
    private readonly writer: SampleWriter,
  ) {
    this.result = { form: writer.form, samples: 0, lost: {}, leftOut: [], unread: {} };
  }

  async *pieces(): AsyncGenerator<string> {
    const { from, files } = this.request;
    yield this.writer.before;
    for (const file of files) {
      const onProblem = (problem: Parameters<typeof describeProblem>[0]) => {
        throw new DataError(`${describeProblem(problem)}; \`reasvqa data check\` lists all problems`);
      };
      for await (const row of annotationRows({ dataset: from, file, onProblem })) {
        const place = placeOf(file, row);
        for (const name of row.unread ?? []) increase(this.result.unread, name);
        this.checkUnion(row.sample, place);
        const text = this.textOf(row.sample, place);
        if (text === undefined) continue;
        if (this.result.samples++ > 0) yield this.writer.between;
        yield text;
      }
    }
    yield this.writer.after;
  }

  /** @throws DataError when a sample does not go into one file with the earlier ones */
  private checkUnion(sample: Sample, place: string): void {
    const { id } = sample;
    if (this.ids.add(id) !== undefined) throw new DataError(`${place}: an earlier file has this id too`);
    const answered = hasTruth(sample);
    this.answered ??= answered;
    if (this.answered !== answered)
      throw new DataError(
        `${place}: ${answered ? 'has an answer, which' : 'has no answer, but'} samples of earlier files ${answered ? 'do not have' : 'have one'}`,
      );
  }

  /** A sample as text, its losses counted; undefined when it is left out. */
  private textOf(sample: Sample, place: string): string | undefined {
    const { result, writer } = this;
    try {
      const text = writer.text(sample);
      for (const key of writer.without) if (sample[key] !== undefined) increase(result.lost, key);
      if (this.losesDataset(sample)) increase(result.lost, 'dataset');
      return text;
    } catch (error) {
      if (!(error instanceof NotWritable)) throw error;
      const known = result.leftOut.find(({ reason }) => reason === error.message);
      if (known) known.count++;
      else result.leftOut.push({ reason: error.message, count: 1, first: place });
      return undefined;
    }
  }

  /** Whether the form drops the name of a dataset that is neither of the two. */
  private losesDataset({ dataset }: Sample): boolean {
    const { from, to } = this.request;
    return !this.writer.keepsDataset && dataset !== from && dataset !== to;
  }
}

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;

function increase(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
