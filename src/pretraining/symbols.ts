/** Frames as fixed symbols, the visual tokens of pre-training. */
import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../base/random.js';
import {
  BACKGROUNDS,
  BASE_RADIUS,
  type Clip,
  COLOURS,
  cellCentre,
  LARGE_RADIUS,
  LOCATIONS,
  type ObjectState,
  restStates,
  SHAPES,
  SMALL_RADIUS,
} from '../shapes/scene.js';

/** One token of a frame for each colour, then one for the background. */
export const SLOTS = COLOURS.length + 1;
const RADII = [SMALL_RADIUS, BASE_RADIUS, LARGE_RADIUS];
/** Symbols in a token: an object's place, shape and size; the background's colour. */
const CLASSES = [LOCATIONS.length, SHAPES.length, RADII.length, BACKGROUNDS.length] as const;
const SHAPE = 1;
const BACKGROUND = 3;
/** Scene units (pixels of a 64 x 64 frame) off the middle of a place that count as 1: an object in contact. */
const LEAN = 5;

/** One object's part of its colour's token. */
interface Said {
  /** Class of its place, shape and size. */
  classes: [number, number, number];
  /** Its offset from the middle of its place, which shows the objects it touches. */
  offset: [number, number];
}

/**
 * Frames as symbols: the target of the visual tokens that the language model reads. Each colour has a token: a symbol of
 * its own plus, for every object that shows this colour, one for its place, shape and size and two more scaled by its
 * offset. All symbols are fixed random vectors, and the embeddings of the words for colours, shapes and backgrounds start
 * from them too.
 *
 * With symbols the language model and the vision model learn apart, each at its own pace: the first reads symbols that
 * tell the truth, the second learns to write them. They replace the separate pre-training of both parts of a published
 * model. Trained together from random weights, the language model learned to ignore the frames: after 24,000 captions it
 * still chose among five at chance.
 */
export class SceneSymbols {
  private readonly slots: Float32Array[];
  private readonly classes: Float32Array[][];
  private readonly axes: Float32Array[];

  constructor(private readonly width: number) {
    const rng = new Rng('scene-symbols');
    // Four symbols make a token of unit variance, like word embeddings before training.
    const vector = () => Float32Array.from({ length: width }, () => rng.normal() / 2);
    const vectors = (length: number) => Array.from({ length }, vector);
    this.slots = vectors(SLOTS);
    this.classes = CLASSES.map(vectors);
    this.axes = vectors(2);
  }

  /** Initial embeddings of the words that have a symbol: the symbol's direction, of unit variance. */
  words(): Map<string, Float32Array> {
    const double = (vector: Float32Array) => vector.map((value) => 2 * value);
    const pairs = (names: readonly string[], vectors: Float32Array[]) =>
      names.map((name, i): [string, Float32Array] => [name, double(vectors[i]!)]);
    return new Map([
      ...pairs(COLOURS, this.slots),
      ...pairs(SHAPES, this.classes[SHAPE]!),
      ...pairs(BACKGROUNDS, this.classes[BACKGROUND]!),
    ]);
  }

  /** @returns (clips * 4, 7, width) float32: the four frames of each clip as tokens. */
  tokens(clips: readonly Clip[]): tf.Tensor3D {
    const slots = clips.flatMap(slotsOf);
    const values = new Float32Array(slots.length * this.width);
    slots.forEach((slot, i) => {
      const token = values.subarray(i * this.width, (i + 1) * this.width);
      addTo(token, this.slots[i % SLOTS]!);
      if (typeof slot === 'number') addTo(token, this.classes[BACKGROUND]![slot]!);
      else for (const said of slot) this.say(token, said);
    });
    return tf.tensor3d(values, [slots.length / SLOTS, SLOTS, this.width]);
  }

  private say(token: Float32Array, { classes, offset }: Said): void {
    classes.forEach((label, attribute) => {
      addTo(token, this.classes[attribute]![label]!);
    });
    offset.forEach((value, axis) => {
      addTo(token, this.axes[axis]!, value);
    });
  }

  /**
   * Share of the objects, alone of their colour, whose place, shape and size are the symbols nearest to their token.
   *
   * @param tokens shaped as those of {@link tokens}.
   */
  accuracy(tokens: tf.Tensor3D, clips: readonly Clip[]): number {
    const values = tokens.dataSync() as Float32Array;
    let alone = 0;
    let right = 0;
    clips.flatMap(slotsOf).forEach((slot, i) => {
      if (typeof slot === 'number' || slot.length !== 1) return;
      alone++;
      const token = values.subarray(i * this.width, (i + 1) * this.width);
      if (slot[0]!.classes.every((label, attribute) => this.nearest(attribute, token) === label)) right++;
    });
    return right / alone;
  }

  /** The class whose symbol has the largest cosine with `token`. */
  private nearest(attribute: number, token: Float32Array): number {
    const cosines = this.classes[attribute]!.map(
      (symbol) => dot(symbol, token) / Math.sqrt(dot(symbol, symbol)),
    );
    return cosines.indexOf(Math.max(...cosines));
  }
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

function addTo(out: Float32Array, vector: Float32Array, factor = 1): void {
  for (let i = 0; i < out.length; i++) out[i]! += factor * vector[i]!;
}

/** Contents of the tokens of the four frames: the objects of each colour, or the background's class. */
function slotsOf(clip: Clip): (Said[] | number)[] {
  // Frames are sampled where each beat has come to rest.
  return restStates(clip).flatMap((states) => {
    const shown = states.map((state, i) => ({ state, shape: SHAPES.indexOf(clip.objects[i]!.shape) }));
    const ofColour = (colour: number) =>
      shown
        .filter(({ state }) => state.alpha > 0 && state.colour === colour)
        .map(({ state, shape }) => said(state, shape));
    return [...COLOURS.map((_, colour) => ofColour(colour)), BACKGROUNDS.indexOf(clip.background)];
  });
}

function said({ cell, radius, x, y }: ObjectState, shape: number): Said {
  const [middleX, middleY] = cellCentre(cell);
  return {
    classes: [cell, shape, RADII.indexOf(radius)],
    offset: [(x - middleX) / LEAN, (y - middleY) / LEAN],
  };
}
