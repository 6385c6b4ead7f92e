/** Text generation of LLaVA-OneVision with a key/value cache, and the logits after given tokens. */
import * as tf from '@tensorflow/tfjs-core';
import { withHalfProducts } from '../../ops/bf16.js';
import type { Context } from '../context.js';
import { argMaxRows, HostChooser, Written } from '../sampling.js';
import type { Encoded, Generated, GenerateOptions } from '../student.js';
import { repeated } from '../targets.js';
import type { Llava } from './llava.js';
import { DecoderState, type KeyValue } from './qwen2.js';

/** Prompts that have been read: what the first generated token starts from. Owns its tensors. */
export class ReadPrompts implements Encoded {
  /**
   * @param last what the head reads at every row's last column, (rows, d)
   * @param known keys and values of every block, (rows, columns, keyHeads * D)
   * @param starts first column of each row that is no padding
   */
  constructor(
    readonly last: tf.Tensor2D,
    readonly known: readonly KeyValue[],
    readonly starts: readonly number[],
  ) {}

  get rows(): number {
    return this.starts.length;
  }

  get columns(): number {
    return this.known[0]!.key.shape[1];
  }

  pick(row: number): ReadPrompts {
    const own = (x: tf.Tensor3D) => tf.slice(x, [row, 0, 0], [1, x.shape[1], x.shape[2]]);
    return new ReadPrompts(
      tf.slice(this.last, [row, 0], [1, this.last.shape[1]]),
      this.known.map(({ key, value }) => ({ key: own(key), value: own(value) })),
      [this.starts[row]!],
    );
  }

  repeat(times: number): ReadPrompts {
    return new ReadPrompts(
      repeated(this.last, times),
      this.known.map(({ key, value }) => ({ key: repeated(key, times), value: repeated(value, times) })),
      this.starts.flatMap((start) => new Array<number>(times).fill(start)),
    );
  }

  dispose(): void {
    this.last.dispose();
    for (const { key, value } of this.known) tf.dispose([key, value]);
  }
}

/**
 * Counts the texts that go on behind the last position that the model has. Rotary angles are defined there too, so decoding
 * goes on as transformers' does, whose results these are; what the model writes there it has not learned.
 */
export class LongTexts {
  private count = 0;
  private longest = 0;

  /** @param limit positions that the model has */
  constructor(private readonly limit: number) {}

  add({ starts, columns }: ReadPrompts, { ids }: Generated): void {
    ids.forEach((written, row) => {
      const length = columns - starts[row]! + written.length;
      if (length <= this.limit) return;
      this.count++;
      this.longest = Math.max(this.longest, length);
    });
  }

  /** A line about the texts counted since the last call; undefined without any. */
  notice(): string | undefined {
    const { count, longest, limit } = this;
    if (count === 0) return undefined;
    this.count = 0;
    this.longest = 0;
    const texts = count === 1 ? 'a written text goes' : `${count} written texts go`;
    return `with the prompt ${texts} on to ${longest} tokens, and the model has ${limit} positions (text_config.max_position_embeddings): nothing is cut, but the end may be poor; lower video.frames, eval.maxNewTokens or text.maxReasoning`;
  }
}

/** The columns after the prompts, one at a time. Holds tensors: dispose of it. */
class Continuation {
  private readonly state: DecoderState;
  private bias: tf.Tensor3D | undefined;
  /** Next position, of all rows or of each. */
  private positions: number[];

  constructor(
    private readonly model: Llava,
    private readonly prompts: ReadPrompts,
    private readonly context: Context,
  ) {
    this.state = new DecoderState(prompts.known);
    const { columns, starts } = prompts;
    this.positions = isPadded(prompts) ? starts.map((start) => columns - start) : [columns];
    this.bias = paddingBias(prompts, model.config.text_config.num_attention_heads);
  }

  /** Reads one token a row. @returns what the head reads after it, (rows, d); the caller disposes it */
  step(ids: Int32Array): tf.Tensor2D {
    const { model, context } = this;
    const { rows } = this.prompts;
    this.widenBias();
    const turns = this.positions;
    this.positions = turns.map((position) => position + 1);
    return tf.tidy(() => {
      const x = model.languageModel.embed(tf.tensor2d(ids, [rows, 1], 'int32')) as tf.Tensor3D;
      const inputs = { ...model.turns(turns), bias: this.bias };
      const hidden = model.languageModel.step(x, this.state, inputs, context);
      return tf.reshape(model.headInput(hidden), [rows, -1]) as tf.Tensor2D;
    });
  }

  /** The column to come is no padding of any row. */
  private widenBias(): void {
    const { bias } = this;
    if (!bias) return;
    this.bias = tf.tidy(() => tf.concat([bias, tf.zeros<tf.Rank.R3>([bias.shape[0], 1, 1])], 2));
    bias.dispose();
  }

  dispose(): void {
    this.bias?.dispose();
    this.state.dispose();
  }
}

const isPadded = ({ starts }: ReadPrompts) => starts.some((start) => start > 0);

/** (rows * heads, 1, columns): far below any score at padding; undefined where no row is padded. */
function paddingBias(prompts: ReadPrompts, heads: number): tf.Tensor3D | undefined {
  if (!isPadded(prompts)) return undefined;
  const { starts, columns } = prompts;
  const bias = new Float32Array(starts.length * heads * columns);
  starts.forEach((start, row) => {
    for (let head = 0; head < heads; head++) {
      const at = (row * heads + head) * columns;
      bias.fill(-1e9, at, at + start);
    }
  });
  return tf.tensor3d(bias, [starts.length * heads, 1, columns]);
}

/**
 * Decoding with a key/value cache, greedy or sampled: the first token comes from the prompts' last states, each further one
 * computes one column. Yields after every token, and leaves the engine as it found it between them.
 *
 * @param prompts not disposed
 */
export function* generateSteps(
  model: Llava,
  prompts: ReadPrompts,
  options: GenerateOptions,
  context: Context,
): Generator<Generated, Generated, void> {
  const { rows } = prompts;
  const written = new Written(rows, options);
  if (options.maxNewTokens < 1) return written;
  const chooser =
    options.sampling || options.logProbs
      ? new HostChooser(rows, options.sampling, options.tokens)
      : undefined;
  const compute = <T>(work: () => T) => withHalfProducts(context.mixed, work);
  const continuation = compute(() => new Continuation(model, prompts, context));
  let read = tf.clone(prompts.last);
  const readOn = (ids: Int32Array) => {
    read.dispose();
    read = compute(() => continuation.step(ids));
  };
  try {
    if (options.start !== undefined) readOn(new Int32Array(rows).fill(options.start));
    for (let step = 0; ; step++) {
      const forced = options.forced?.[step];
      const banned = step === 0 ? options.notFirst : undefined;
      let next = new Int32Array(rows);
      let logProbs: number[] | undefined;
      compute(() =>
        tf.tidy(() => {
          const logits = model.logits(read) as tf.Tensor2D;
          if (chooser) ({ ids: next, logProbs } = chooser.choose(logits, banned, forced));
          else next = forced === undefined ? argMaxRows(logits, banned, options.tokens) : next.fill(forced);
        }),
      );
      written.add(next, logProbs);
      yield written;
      if (written.isDone || step + 1 >= options.maxNewTokens) return written;
      readOn(next);
    }
  } finally {
    read.dispose();
    continuation.dispose();
  }
}

/** What the head reads after the given tokens of every row, (rows, d); the caller disposes it. */
export function readAfter(
  model: Llava,
  prompts: ReadPrompts,
  tokens: readonly number[],
  context: Context,
): tf.Tensor2D {
  if (tokens.length === 0) return tf.clone(prompts.last);
  const continuation = new Continuation(model, prompts, context);
  try {
    let read: tf.Tensor2D | undefined;
    for (const token of tokens) {
      read?.dispose();
      read = continuation.step(new Int32Array(prompts.rows).fill(token));
    }
    return read!;
  } finally {
    continuation.dispose();
  }
}
