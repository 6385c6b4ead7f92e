/**
 * Answers of students that look again (eval.looks): turns are written until there is an answer, and a call for the frames of a span
 * is answered with them as a new input of the encoder. An oracle's span or a random one may take the place of the student's.
 */
import { DataError } from '../base/errors.js';
import { Rng } from '../base/random.js';
import { type BatchBuilder, disposeVisual, type HostBatch } from '../batches/batch.js';
import type { Looker } from '../config/modes.js';
import type { Sample, Span } from '../data/sample.js';
import type { Encoded, StudentInput } from '../model/student.js';
import { Dialogue } from '../text/dialogue.js';
import { callTurn } from '../text/lessons.js';
import { boundsOf, decodeTurn } from '../text/looking.js';
import { answerText, isTagged } from '../text/tags.js';
import { randomWindow, windowOf } from '../text/windows.js';
import {
  answerOptions,
  argMax,
  type Evaluator,
  encoding,
  identify,
  letterScores,
  type Prediction,
  readAnswer,
} from './answers.js';

/** A dialogue and where it stands. */
interface Open {
  dialogue: Dialogue;
  /** What stands in place of its first turn. */
  forced: string | undefined;
  /** What the student is given next. */
  sample: Sample;
}

/**
 * The predictions for a batch, each with its turns.
 *
 * @param input of the first turn; the caller frees it
 * @throws DataError for a sample without a duration
 */
export async function answerLooking(
  evaluator: Evaluator,
  host: HostBatch,
  input: StudentInput,
): Promise<Prediction[]> {
  const all = host.samples.map((sample) => opened(evaluator, sample));
  const predictions = new Map<Dialogue, Prediction>();
  let open = await turn(evaluator, all, host, input, predictions);
  while (open.length > 0) {
    const batch = await nextBatch(evaluator.builder, open);
    const own = evaluator.builder.input(batch);
    try {
      open = await turn(evaluator, open, batch, own, predictions);
    } finally {
      disposeVisual(own);
    }
  }
  return all.map(({ dialogue }) => predictions.get(dialogue)!);
}

function opened({ config }: Evaluator, sample: Sample): Open {
  const { looks = 0, look = 'student' } = config.eval;
  const span = look === 'student' ? undefined : chosenSpan(sample, look);
  // A control has its one look; without a span to show it has none.
  const allowed = look === 'student' ? looks : span ? 1 : 0;
  const dialogue = new Dialogue(sample, { looks: allowed, perSecond: config.video.lookFps });
  return { dialogue, forced: span && callTurn(span), sample };
}

/** The span that a control looks at. */
function chosenSpan(sample: Sample, look: Exclude<Looker, 'student'>): Span | undefined {
  const span = sample.spans?.[0];
  const bounds = boundsOf(sample);
  if (!span || !bounds) return undefined;
  return look === 'oracle'
    ? windowOf(span, bounds)
    : randomWindow(span, bounds, new Rng(`look/${sample.id}`));
}

/** Writes one turn of every dialogue, and reads the answers of those that are over. @returns the others */
async function turn(
  evaluator: Evaluator,
  open: readonly Open[],
  host: Pick<HostBatch, 'samples'>,
  input: StudentInput,
  predictions: Map<Dialogue, Prediction>,
): Promise<Open[]> {
  const { student, tokenizer, builder, config } = evaluator;
  const frames = await Promise.all(host.samples.map((sample) => builder.times(sample)));
  return encoding(student, input, (encoded) => {
    const isWritten = open.some(({ forced }) => forced === undefined);
    const options = answerOptions(evaluator, config.eval.maxNewTokens);
    const rows = isWritten ? student.generate(encoded, options).ids : [];
    return open.flatMap(({ dialogue, forced }, row) => {
      const ids = rows[row] ?? [];
      const sample = dialogue.take(forced ?? decodeTurn(tokenizer, ids), frames[row]!);
      if (sample) return [{ dialogue, forced: undefined, sample }];
      predictions.set(dialogue, predictionOf(evaluator, dialogue, { encoded, row, ids }));
      return [];
    });
  });
}

/** What the last turn says, read as without looks; a choice that it does not make is made by comparing letters behind it. */
function predictionOf(
  evaluator: Evaluator,
  { sample, turns }: Dialogue,
  last: { encoded: Encoded; row: number; ids: readonly number[] },
): Prediction {
  const written = turns.at(-1)!.text;
  const answer = isTagged(written) ? answerText(written, true) : written;
  const read = readAnswer(evaluator, written, sample);
  const own = { ...identify(sample), ...read, text: read.text ?? answer, turns };
  if (sample.options.length === 0 || read.prediction !== undefined) return own;
  const one = last.encoded.pick(last.row);
  try {
    const [scores] = letterScores(evaluator, one, [sample], last.ids);
    return {
      ...own,
      prediction: argMax(scores!),
      scores: scores!,
      text: answer || written,
      forced: true,
    };
  } finally {
    one.dispose();
  }
}

/** The next turns as a batch; a student whose span cannot be read is told so. */
export async function nextBatch(
  builder: BatchBuilder,
  open: readonly { dialogue: Dialogue; sample: Sample }[],
): Promise<HostBatch> {
  const batch = await builder.prepare(open.map(({ sample }) => sample));
  if (batch.skipped.length === 0) return batch;
  const unread = new Set(batch.skipped.map(({ sample }) => sample));
  const again = await builder.prepare(
    open.map(({ dialogue, sample }) => (unread.has(sample) ? dialogue.unreadable() : sample)),
  );
  const [first] = again.skipped;
  if (first) throw new DataError(first.reason);
  return again;
}
