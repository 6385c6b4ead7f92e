/** Draws the completions of a batch and rewards them. */
import type { BatchBuilder } from '../../../batches/batch.js';
import type { Sample } from '../../../data/sample.js';
import type { Student, StudentInput } from '../../../model/student.js';
import type { Scored, Scorer } from '../../../rewards/index.js';
import { dialogueText, shownCalls } from '../../../text/dialogue.js';
import type { Tokenizer } from '../../../text/tokenizer.js';
import { type DrawSettings, type Talks, talk } from './dialogues.js';

/** Completions of a batch; those of a sample follow each other. */
export interface Completions {
  /** Token ids, the end included where there is one. */
  rows: number[][];
  /** Whether each was cut at the largest length. */
  cut: boolean[];
  texts: string[];
  scored: Scored[];
  /** The turns of the completions, where the student may look again; whoever has it frees its input. */
  talks?: Talks;
}

/** The batch that completions are about. */
export interface Asked {
  student: Student;
  input: StudentInput;
  samples: readonly Sample[];
  /** Makes inputs of other clips; needed where the student may look again. */
  builder?: BatchBuilder;
}

export class Writer {
  /** @param start token that starts the decoder; the student's own unless given */
  constructor(
    private readonly settings: DrawSettings,
    private readonly scorer: Scorer,
    private readonly tokenizer: Tokenizer,
    private readonly start: number | undefined,
  ) {}

  /**
   * Clip and prompt are encoded once for all completions of a sample. No token is banned or forced.
   *
   * @param seed of the draws; each completion's own follows from it, the sample's id and its place in the group
   */
  async write(asked: Asked, seed: string): Promise<Completions> {
    if (this.settings.looks > 0) return this.converse(asked, seed);
    const { student, input, samples } = asked;
    const { group, temperature, topP, maxNewTokens } = this.settings;
    const seeds = samples.flatMap(({ id }) => Array.from({ length: group }, (_, i) => `${seed}/${id}/${i}`));
    const { eosId } = this.tokenizer;
    const { ids, logProbs } = repeatedly(student, input, group, (encoded) =>
      student.generate(encoded, {
        ...{ maxNewTokens, eosId, start: this.start },
        sampling: { temperature, topP, seeds },
      }),
    );
    // The end has a log-probability and no id.
    const cut = ids.map((row, i) => logProbs[i]!.length === row.length);
    const texts = ids.map((row) => this.tokenizer.decode(row));
    const scored = await Promise.all(
      texts.map((text, i) => this.scorer.score({ sample: samples[Math.floor(i / group)]!, text })),
    );
    return { rows: ids.map((row, i) => (cut[i] ? row : [...row, eosId])), cut, texts, scored };
  }

  /** Completions of several turns. */
  private async converse({ builder, ...asked }: Asked, seed: string): Promise<Completions> {
    if (!builder) throw new Error('rl: looking again needs a builder of batches');
    const { tokenizer, start, scorer } = this;
    const talks = await talk({ ...asked, builder, tokenizer, start }, this.settings, seed);
    const { dialogues, dialogueOf, cut } = talks;
    const texts = dialogues.map(({ turns }) => dialogueText(turns));
    const scored = await Promise.all(
      dialogues.map(({ sample, turns }, i) =>
        scorer.score({ sample, text: texts[i]!, calls: shownCalls(turns) }),
      ),
    );
    const rows: number[][] = dialogues.map(() => []);
    for (const [turn, ids] of talks.rows.entries()) rows[dialogueOf[turn]!]!.push(...ids);
    return { rows, cut, texts, scored, talks };
  }
}

/** Encodes an input once and hands it on with every sample so many times. */
function repeatedly<T>(
  student: Student,
  input: StudentInput,
  times: number,
  use: (encoded: ReturnType<Student['encode']>) => T,
): T {
  const once = student.encode(input);
  const many = once.repeat(times);
  once.dispose();
  try {
    return use(many);
  } finally {
    many.dispose();
  }
}
