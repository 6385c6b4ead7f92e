/**
 * The student: the interface through which the rest of the program works with a model. An architecture is one folder
 * beside this file that implements `Student`, and one entry of registry.ts.
 *
 *   frames -> features (frozen, outside the tape) -> encode -> losses of named targets, scores of tokens, generated text
 *
 * Token ids are ragged rows here, one a sample: an architecture pads, packs and masks them as it needs.
 */
import type * as tf from '@tensorflow/tfjs-core';
import type { WrappedClasses } from '../weights/loraConfig.js';
import type { Context, Precision } from './context.js';
import type { Module, Parameter } from './layers/module.js';

/** Token ids, one row a sample (or a frame); rows may differ in length. */
export type TokenRows = readonly (readonly number[])[];

/** A batch's clips for the model: features, pixels when the vision model itself learns, or finished visual tokens. */
export type Visual =
  /** (clips * frames, ...) as {@link Student.features} gives them. */
  | { features: tf.Tensor3D; pixels?: undefined; tokens?: undefined }
  /** (clips * frames, 3, image, image) float32, normalised as {@link Student.preprocessing} says. */
  | { pixels: tf.Tensor4D; features?: undefined; tokens?: undefined }
  /** (clips * frames, ...visualShape): the result of {@link Student.look}, or a replacement for it. */
  | { tokens: tf.Tensor3D; features?: undefined; pixels?: undefined };

/** The model's input: clips and text. */
export interface StudentInput {
  visual: Visual;
  /** Frames of each clip. */
  frames: number;
  /** Text before each frame, one row a frame; absent when frames are not announced. A model may refuse it. */
  framePrefixes?: TokenRows;
  /** Question and options, one row a sample. */
  prompts: TokenRows;
}

/** One thing to learn from a batch: the tokens that the model should write. */
export interface Target {
  /** Key of its loss in metrics, reports and logs. */
  name: string;
  /** One row a sample; an empty row has nothing to learn. */
  rows: TokenRows;
  /** Token that the decoder starts from; the model's own unless given. */
  start?: number | undefined;
  /** A prompt of its own instead of the input's; it costs a second encoder pass. */
  prompts?: TokenRows | undefined;
  /** Part of its weight that counts in this batch: that of the samples whose target it is. All of it unless given. */
  share?: number | undefined;
  /** Divides the logits, as {@link Sampling.temperature} does; 1 unless given. */
  temperature?: number | undefined;
}

/** Cross-entropies of all tokens of all targets of one batch, from one forward pass. */
export interface TokenLosses {
  /** -log p(token) under softmax(logits / temperature), float32, differentiable; 0 where {@link target} is -1. */
  values: tf.Tensor1D;
  /** Index of the target that each value belongs to; -1 for padding. Tokens of a row are in reading order. */
  target: Int16Array;
  /** Index of the sample that each value belongs to. */
  row: Int32Array;
  /** The likeliest token at each value's place; only where the pass was made, before its tensors are freed. */
  likeliest(): Int32Array;
}

/** An encoded input that targets, scores and generated text start from. Holds tensors: dispose of it. */
export interface Encoded {
  readonly rows: number;
  /** One sample of it, with tensors of its own. */
  pick(row: number): Encoded;
  /** Every sample so many times in a row, with tensors of its own: several texts of one prompt, which is read once. */
  repeat(times: number): Encoded;
  dispose(): void;
}

export interface GenerateOptions {
  maxNewTokens: number;
  /** A row that has produced this token is finished; generation ends when every row is. Absent: no stopping. */
  eosId?: number | undefined;
  /** Token that the decoder starts from; the model's own unless given. */
  start?: number | undefined;
  /** Only ids below it are chosen: an embedding may have rows that no token of the tokenizer has. All unless given. */
  tokens?: number | undefined;
  /** A token that no row may begin with. */
  notFirst?: number | undefined;
  /** Tokens that every row begins with (for example the one of "Option"). */
  forced?: readonly number[] | undefined;
  /** Draws tokens instead of taking the likeliest. */
  sampling?: Sampling | undefined;
  /** Whether {@link Generated.logProbs} is wanted; sampling always returns it. */
  logProbs?: boolean | undefined;
}

/** Sampling from softmax(logits / temperature), cut to the likeliest tokens whose probabilities reach topP. */
export interface Sampling {
  /** Above 0. */
  temperature: number;
  /** In (0, 1]; 1 unless given. */
  topP?: number;
  /** One stream a row: the same seed draws the same tokens for the same logits, whatever else is in the batch. */
  seeds: readonly string[];
  /**
   * Log-probabilities under softmax(logits / temperature), which {@link Target.temperature} gives too; under
   * softmax(logits) unless given.
   */
  temperedLogProbs?: boolean;
}

export interface Generated {
  /** Token ids of each row, without the start token and without the end token. */
  ids: number[][];
  /**
   * log p of each of those tokens under softmax(logits), at temperature 1 unless the sampling says otherwise and without
   * cuts, and of the end token where one was produced. Teacher forcing of the same tokens computes the same values. Empty unless asked for.
   */
  logProbs: number[][];
}

/** Preprocessing of pictures for the vision model. */
export interface Preprocessing {
  /** Side of the square picture, in pixels. */
  imageSize: number;
  /** Of RGB in [0, 1]. */
  mean: readonly [number, number, number];
  std: readonly [number, number, number];
}

/** Adapters of a model that PEFT wraps as a whole. */
export interface AdapterNames {
  /** Path of a module under our names, whatever layout the adapter was written in; undefined for another path. */
  canonical(path: string): string | undefined;
  /** A part that no adapter may change. */
  frozen: { prefix: string; name: string };
  classes: WrappedClasses;
}

/** A model with its weights. */
export interface Student {
  readonly kind: Architecture;
  readonly config: StudentConfig;
  /** How frozen matrices are stored and large products computed. */
  readonly precision: Precision;
  /** Its parameters, by checkpoint name, and its layers. */
  readonly module: Module;
  readonly preprocessing: Preprocessing;
  /** Rows of the token embedding: every token id is below it. */
  readonly vocabulary: number;
  /** Tokens of a prompt that stand for something else than text, with their ids and the keys of config.json that say so. */
  readonly placeholders?: readonly { token: string; id: number; key: string }[];
  /** Shape of one frame's features, (tokens, width). */
  readonly featureShape: readonly [number, number];
  /** Shape of the language model's visual tokens of one frame, (tokens, width). */
  readonly visualShape: readonly [number, number];
  /** Settings that features depend on and that no weight's shape shows. */
  readonly visionSettings: unknown;
  /** Path of the language model, with a dot: adapters are added below it. */
  readonly languageModelPath: string;
  /** How PEFT names adapted modules; absent where a fresh adapter wraps the language model alone. */
  readonly adapters?: AdapterNames;

  /**
   * The frozen part of the vision model.
   *
   * @param pixels (frames, 3, image, image). @returns (frames, ...featureShape) float32
   */
  features(pixels: tf.Tensor4D, context?: Context): tf.Tensor3D;
  /** Weights that {@link features} reads. */
  featureParameters(): Parameter[];
  /** Large matrices that only products read; precision bf16 stores them in bf16 while they are frozen. */
  matrices(): Parameter[];

  /** The language model's visual tokens of each frame, (frames, ...visualShape). Differentiable. */
  look(visual: Visual, context: Context): tf.Tensor3D;
  /** Runs everything before the first generated token. Evaluation only; tensors live until disposed. */
  encode(input: StudentInput): Encoded;
  /** Per-token losses of any number of targets. Targets without a token are left out. */
  losses(input: StudentInput, targets: readonly Target[], context: Context): TokenLosses;
  /**
   * Logits of candidate tokens right after a forced prefix, in one pass.
   *
   * @param prefix tokens after the start token. @returns (rows, candidates)
   */
  tokenScores(
    encoded: Encoded,
    prefix: readonly number[],
    candidates: ArrayLike<number>,
    start?: number,
  ): number[][];
  /** Writes text with a key/value cache; evaluation only. */
  generate(encoded: Encoded, options: GenerateOptions): Generated;
  /**
   * {@link generate} token by token, for text that is read while it is written: yields what is written so far after
   * every token, and returns the whole. Between tokens nothing runs; leaving early (`return()`) frees its tensors.
   */
  generateSteps(encoded: Encoded, options: GenerateOptions): Generator<Generated, Generated, void>;

  /** What the user should know of the texts that were written since the last call; undefined where there is nothing. */
  notice?(): string | undefined;

  /** Makes room for weights that `StudentKind.optional` found. */
  addOptional(names: readonly string[]): void;
  dispose(): void;
}

/** Description of an architecture. */
export interface Architecture {
  /** `model_type` of its config.json. */
  readonly modelType: string;
  /** Its name for users. */
  readonly title: string;
  /** Groups of parameters that a recipe can train, beside `lora` and `all`; see {@link groupOf}. */
  readonly groups: readonly string[];
  /** Default of `model.train`. */
  readonly defaultGroups: readonly string[];
  /** The group of a parameter; undefined for one that only `all` trains. */
  groupOf(parameterName: string): string | undefined;
  /** Values of a recipe's keys that it leaves out, where they are others than the keys' own defaults. */
  readonly recipe?: RecipeDefaults;
}

/** Keys of a recipe whose default depends on the architecture. */
export interface RecipeDefaults {
  /** `model.lora.targets` */
  targets: readonly string[];
  /** `text.template` */
  template: string;
  /** `video.prefix` */
  prefix: boolean;
}

/** A checked config.json: only its own architecture looks inside. */
export type StudentConfig = object;
