/** The tokenizer: text to token ids and back. */
import { DataError, messageOf } from '../base/errors.js';
import { MAX_OPTIONS, optionLetter } from '../data/sample.js';
import { CHAT_FORM, PLAIN_FORM, type TextForm } from './forms.js';
import { cutAtTags, isTagged, joinAtTags, TAG_TOKENS } from './tags.js';
import {
  type BpeModel,
  findTokenizerFiles,
  type TokenizerFiles,
  type TokenizerLoadOptions,
} from './tokenizerFiles.js';
import type { PreTrainedTokenizer } from './xenova.js';

export type { TokenizerLoadOptions } from './tokenizerFiles.js';

/** SentencePiece's mark for a space, at the start of a word. */
const SPACE = '▁';

/** Distinct words kept; a dataset has some tens of thousands. */
const CACHE_WORDS = 200_000;

/**
 * A SentencePiece Unigram tokenizer or a byte-level BPE, that of Qwen2, from a tokenizer.json, run by @xenova/transformers. Two
 * things differ from using that package directly: files of the current format work (see `withPrefixSpace` and
 * `withJoinedMerges`), and a cache of words makes repeated text some thirty times faster.
 */
export class Tokenizer {
  /** Number of ids the tokenizer can produce. A model's embedding may have more rows, padded to a round number. */
  readonly vocabSize: number;
  readonly padId: number;
  readonly eosId: number;
  /** -1 where every byte has a piece. */
  readonly unkId: number;
  /** Tokens around every prompt, for a model that is spoken to in a chat. */
  readonly frame: { before: readonly number[]; after: readonly number[] } | undefined;
  private readonly words = new Map<string, number[]>();
  private readonly added: Map<string, number>;
  private readonly cutWords: boolean;
  /** Ids of tags that are a token each, and the other way round; empty where they are spelled out. */
  private readonly tags = new Map<string, number>();
  private readonly tagOf = new Map<number, string>();

  private constructor(
    readonly origin: string,
    private readonly inner: PreTrainedTokenizer,
    readonly form: TextForm,
    unkId: number,
    private readonly isPrecompiled: boolean,
  ) {
    this.vocabSize = inner.model.vocab.length;
    this.added = new Map(inner.added_tokens.map((token) => [token.content, token.id]));
    this.padId = this.requireToken(form.pad, 'padding');
    this.eosId = this.requireToken(form.eos, 'the end of a text');
    for (const token of form.needed) this.requireToken(token, 'the chat of this model');
    this.unkId = unkId;
    if (!form.chat)
      for (const [tag, token] of TAG_TOKENS) {
        const id = this.added.get(token);
        if (id === undefined) continue;
        this.tags.set(tag, id);
        this.tagOf.set(id, tag);
      }
    // Words can be encoded one by one only if no piece spans two of them; a BPE has words of its own.
    this.cutWords = !form.chat && !inner.model.vocab.some((piece) => piece.indexOf(SPACE, 1) > 0);
    const { chat } = form;
    this.frame = chat && { before: this.encodeMarked(chat.before), after: this.encodeMarked(chat.after) };
  }

  /**
   * @param pathOrId a tokenizer.json, a folder that holds one, or a Hugging Face id (downloaded once and cached).
   * @throws DataError when there is none, or it is of another kind.
   */
  static async load(pathOrId: string, options: TokenizerLoadOptions = {}): Promise<Tokenizer> {
    const files = await findTokenizerFiles(pathOrId, options);
    const { PreTrainedTokenizer } = await import('./xenova.js');
    const { model } = files.tokenizer;
    const json = {
      ...files.tokenizer,
      model: model.type === 'BPE' ? withJoinedMerges(model) : model,
      pre_tokenizer: withPrefixSpace(files.tokenizer.pre_tokenizer),
      decoder: withPrefixSpace(files.tokenizer.decoder),
    };
    const form = model.type === 'BPE' ? CHAT_FORM : PLAIN_FORM;
    try {
      return new Tokenizer(
        files.origin,
        new PreTrainedTokenizer(json, tokenizerConfig(files, form)),
        form,
        model.type === 'BPE' ? -1 : model.unk_id,
        JSON.stringify(files.tokenizer.normalizer ?? null).includes('"Precompiled"'),
      );
    } catch (error) {
      if (error instanceof DataError) throw error;
      throw new DataError(`${files.origin}: cannot be used as a tokenizer (${messageOf(error)})`, {
        cause: error,
      });
    }
  }

  /**
   * Token ids of `text`, with the end token if asked. Special tokens and tags (tags.ts) written out in the text are
   * recognised, but for special tokens of a chat: a question cannot end its turn.
   */
  encode(text: string, options: { addEos: boolean }): number[] {
    const ids: number[] = [];
    if (this.form.chat) this.encodeSection(text, 0, ids);
    else ids.push(...this.encodeMarked(text));
    if (options.addEos) ids.push(this.eosId);
    return ids;
  }

  /** Token ids of a text with its special tokens. */
  private encodeMarked(text: string): number[] {
    if (this.tags.size > 0 && isTagged(text))
      return cutAtTags(text).flatMap((piece) => this.tags.get(piece) ?? this.encodeUntagged(piece));
    return this.encodeUntagged(text);
  }

  private encodeUntagged(text: string): number[] {
    const ids: number[] = [];
    const { added_tokens_regex: pattern } = this.inner;
    const sections = pattern ? text.split(pattern).filter(Boolean) : [text];
    for (const [index, section] of sections.entries()) {
      const special = this.added.get(section);
      if (special !== undefined) ids.push(special);
      else this.encodeSection(section, index, ids);
    }
    return ids;
  }

  /** Text of `ids` with its tags; other special tokens, and ids that no piece has, are left out. */
  decode(ids: ArrayLike<number>): string {
    const pieces: string[] = [];
    let known: number[] = [];
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      const tag = this.tagOf.get(id);
      if (tag !== undefined) {
        pieces.push(this.decodeUntagged(known), tag);
        known = [];
      } else if (id >= 0 && id < this.vocabSize) known.push(id);
    }
    pieces.push(this.decodeUntagged(known));
    return joinAtTags(pieces.filter(Boolean));
  }

  private decodeUntagged(known: number[]): string {
    if (known.length === 0) return '';
    return this.inner.decode(known, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /** The id of a token by its exact content, special ones included. */
  idOf(token: string): number | undefined {
    return this.inner.model.tokens_to_ids.get(token);
  }

  /** The piece of an id, as the vocabulary writes it. */
  piece(id: number): string | undefined {
    return this.inner.model.vocab[id];
  }

  /** Tokens of the answer that is an option's letter, the end token included. */
  answerIds(option: number, place: AnswerPlace = 'alone'): number[] {
    const { start, letter } = this.choice(option, place);
    return [...start, letter, this.eosId];
  }

  /** Tokens that every answer by letter begins with: "Option" where the model was taught so, else none. */
  answerStart(place: AnswerPlace = 'alone'): readonly number[] {
    return this.choice(0, place).start;
  }

  /**
   * Ids of the first n option letters as they follow {@link answerStart}, int32 (n).
   *
   * @throws DataError when the vocabulary does not write them as single tokens.
   */
  letterIds(n: number, place: AnswerPlace = 'alone'): Int32Array {
    return Int32Array.from({ length: n }, (_, option) => this.choice(option, place).letter);
  }

  /** Most options of a question: the letters, of the 26, that the vocabulary writes as single tokens, from A on. */
  mostOptions(): number {
    let most = 0;
    while (most < MAX_OPTIONS && this.spelled(most, 'alone').isLetter) most++;
    return most;
  }

  private choice(option: number, place: AnswerPlace): { start: number[]; letter: number } {
    const { text, ids, isLetter } = this.spelled(option, place);
    if (!isLetter) {
      const expected = this.form.chat ? 'end in a token of the letter alone' : 'be two tokens';
      const pieces = ids.map((id) => this.piece(id)).join(' ');
      throw new DataError(
        `${this.origin}: ${JSON.stringify(text)} must ${expected} for scoring options, not ${ids.length} (${pieces}); a question to this student may have ${this.mostOptions()} options`,
      );
    }
    return { start: ids.slice(0, -1), letter: ids.at(-1)! };
  }

  /** An answer by letter as tokens, and whether the last of them is the letter alone. */
  private spelled(option: number, place: AnswerPlace): { text: string; ids: number[]; isLetter: boolean } {
    const { answerStart, answerAfterReasoning, chat } = this.form;
    const letter = optionLetter(option);
    const text = `${place === 'alone' ? answerStart : answerAfterReasoning}${letter}`;
    const ids = this.encode(text, { addEos: false });
    const isAlone = this.piece(ids.at(-1) ?? this.unkId)?.replace(/^[▁Ġ]/, '') === letter;
    const isLetter = isAlone && !ids.includes(this.unkId) && (chat !== undefined || ids.length === 2);
    return { text, ids, isLetter };
  }

  private encodeSection(section: string, index: number, ids: number[]): void {
    // SentencePiece's table maps the zero-width joiner to a space; the package's version of it forgets that one.
    const plain = this.isPrecompiled ? section.replaceAll('\u200d', ' ') : section;
    const text = this.inner.normalizer ? this.inner.normalizer(plain) : plain;
    if (text.length === 0) return;
    const parts = this.inner.pre_tokenizer
      ? this.inner.pre_tokenizer(text, { section_index: index })
      : [text];
    for (const part of parts) {
      // Each word keeps the space mark before it; a run of marks is cut into single ones.
      const words = this.cutWords ? (part.match(/▁?[^▁]+|▁/g) ?? []) : [part];
      for (const word of words) for (const id of this.encodeWord(word)) ids.push(id);
    }
  }

  private encodeWord(word: string): number[] {
    let ids = this.words.get(word);
    if (ids === undefined) {
      ids = this.inner.model.convert_tokens_to_ids(this.inner.model([word]));
      if (this.words.size >= CACHE_WORDS) this.words.clear();
      this.words.set(word, ids);
    }
    return ids;
  }

  private requireToken(content: string, use: string): number {
    const id = this.idOf(content);
    if (id === undefined) throw new DataError(`${this.origin}: has no ${content} token, which ${use} needs`);
    return id;
  }
}

/** Where an answer by letter stands: alone, or behind reasoning. */
export type AnswerPlace = 'alone' | 'afterReasoning';

/** Current files hold the merges of a BPE as pairs, older ones as "a b", which is all that @xenova/transformers 2.17 knows. */
function withJoinedMerges(model: BpeModel): BpeModel {
  return {
    ...model,
    merges: model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))),
  };
}

/**
 * Current tokenizer.json files say `prepend_scheme` where older ones said `add_prefix_space`; @xenova/transformers
 * 2.17 knows the old key only and would drop the space mark before the first word. Returns a copy that has both.
 */
export function withPrefixSpace(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withPrefixSpace);
  if (typeof node !== 'object' || node === null) return node;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(node)) copy[key] = withPrefixSpace(value);
  if (copy.type === 'Metaspace' && copy.add_prefix_space === undefined) {
    copy.add_prefix_space = copy.prepend_scheme !== 'never';
  }
  return copy;
}

/** tokenizer_config.json, reduced to the special tokens that tokenizing needs. */
function tokenizerConfig(files: TokenizerFiles, { pad, eos }: TextForm): Record<string, unknown> {
  const { model } = files.tokenizer;
  const unknown = model.type === 'BPE' ? undefined : (model.vocab[model.unk_id]?.[0] ?? '<unk>');
  return {
    eos_token: eos,
    pad_token: pad,
    ...(unknown !== undefined && { unk_token: unknown }),
    additional_special_tokens: [],
    model_max_length: files.config.model_max_length,
  };
}
