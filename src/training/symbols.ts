import * as tf from '@tensorflow/tfjs-core';
import { Rng } from '../random.js';
import {
  BACKGROUNDS,
  BASE_RADIUS,
  BEATS,
  type Clip,
  COLOURS,
  cellCentre,
  LARGE_RADIUS,
  LOCATIONS,
  restStates,
  SHAPES,
  SMALL_RADIUS,
} from '../shapes/scene.js';

/** One token for each of the nine places of a frame, then one for its background. */
export const SLOTS = LOCATIONS.length + 1;
const RADII = [SMALL_RADIUS, BASE_RADIUS, LARGE_RADIUS] as const;
/** Symbols of each attribute; class 0 is "none" (an empty place; a background at a place). */
const CLASSES = [COLOURS.length + 1, SHAPES.length + 1, RADII.length + 1, BACKGROUNDS.length + 1] as const;
const ATTRIBUTES = CLASSES.length;
/** Scene units (pixels of a 64 x 64 frame) off the middle of a place that count as 1: an object in contact. */
const LEAN = 5;

/**
 * Frames told in symbols instead of shown: what queries of the Q-Former should say after language_projection. A token
 * is the sum of a symbol for its slot and one for each attribute of what is there, all of them fixed random vectors;
 * two more are scaled by how far the object stands off the middle of its place, which shows what it touches.
 *
 * They let the language model and the eye learn apart, each at its own pace: the first reads symbols that tell the
 * truth, the second learns to write them. They stand for what BLIP-2 has before its parts meet (FlanT5's pre-training;
 * EVA's, and the Q-Former's first stage). Trained together from nothing, the language model learned to ignore the
 * frames: after 24,000 captions it still chose among five at chance.
 */
export class SceneSymbols {
  /** Vector of every symbol: the slots', then those of each attribute's classes, then the two of the offset. */
  private readonly table: Float32Array[];

  constructor(private readonly width: number) {
    const rng = new Rng('scene-symbols');
    const count = SLOTS + CLASSES.reduce((a, b) => a + b, 0) + 2;
    // Five symbols make a token of unit variance, like the word embeddings T5 starts from.
    const scale = (1 + ATTRIBUTES) ** -0.5;
    this.table = Array.from({ length: count }, () =>
      Float32Array.from({ length: width }, () => rng.normal() * scale),
    );
  }

  /** @returns (clips * 4, 10, width) float32: the four frames of each clip as tokens. */
  tokens(clips: readonly Clip[]): tf.Tensor3D {
    const rows = clips.length * BEATS * SLOTS;
    const { labels, offsets } = describeScenes(clips);
    const values = new Float32Array(rows * this.width);
    for (let row = 0; row < rows; row++) {
      const out = values.subarray(row * this.width, (row + 1) * this.width);
      addTo(out, this.table[row % SLOTS]!);
      for (let a = 0; a < ATTRIBUTES; a++) addTo(out, this.symbol(a, labels[a]![row]!));
      for (const axis of [0, 1]) addTo(out, this.table.at(axis - 2)!, offsets[2 * row + axis]!);
    }
    return tf.tensor3d(values, [clips.length * BEATS, SLOTS, this.width]);
  }

  /** Share of the occupied places of which every attribute can be read off `tokens` as the nearest symbol. */
  accuracy(tokens: tf.Tensor3D, clips: readonly Clip[]): number {
    const values = tokens.dataSync() as Float32Array;
    const { labels } = describeScenes(clips);
    let occupied = 0;
    let right = 0;
    labels[0]!.forEach((colour, row) => {
      if (colour === 0) return;
      occupied++;
      const token = values.subarray(row * this.width, (row + 1) * this.width);
      if (CLASSES.every((_, a) => this.nearest(a, token) === labels[a]![row])) right++;
    });
    return right / occupied;
  }

  private symbol(attribute: number, label: number): Float32Array {
    let start = SLOTS;
    for (let a = 0; a < attribute; a++) start += CLASSES[a]!;
    return this.table[start + label]!;
  }

  /** The class whose symbol has the largest cosine with `token`. */
  private nearest(attribute: number, token: Float32Array): number {
    let best = 0;
    let largest = Number.NEGATIVE_INFINITY;
    for (let label = 0; label < CLASSES[attribute]!; label++) {
      const symbol = this.symbol(attribute, label);
      let dot = 0;
      let norm = 0;
      for (let i = 0; i < this.width; i++) {
        dot += symbol[i]! * token[i]!;
        norm += symbol[i]! ** 2;
      }
      if (dot / Math.sqrt(norm) > largest) {
        largest = dot / Math.sqrt(norm);
        best = label;
      }
    }
    return best;
  }
}

function addTo(out: Float32Array, vector: Float32Array, factor = 1): void {
  for (let i = 0; i < out.length; i++) out[i]! += factor * vector[i]!;
}

interface Scenes {
  /** Class of every slot for each attribute, (clips * 4 * 10). */
  labels: Int32Array[];
  /** Of the object in every slot, x and y, (clips * 4 * 10, 2); 0 where there is none. */
  offsets: Float32Array;
}

/** What the four frames of each clip show: they are sampled where each beat has come to rest. */
function describeScenes(clips: readonly Clip[]): Scenes {
  const slots = clips.length * BEATS * SLOTS;
  const labels = CLASSES.map(() => new Int32Array(slots));
  const offsets = new Float32Array(2 * slots);
  const [colours, shapes, sizes, backgrounds] = labels as [Int32Array, Int32Array, Int32Array, Int32Array];
  clips.forEach((clip, c) => {
    restStates(clip).forEach((objects, beat) => {
      const first = (c * BEATS + beat) * SLOTS;
      objects.forEach(({ cell, alpha, colour, radius, x, y }, i) => {
        if (alpha === 0) return;
        const slot = first + cell;
        const [middleX, middleY] = cellCentre(cell);
        colours[slot] = 1 + colour;
        shapes[slot] = 1 + SHAPES.indexOf(clip.objects[i]!.shape);
        sizes[slot] = 1 + RADII.indexOf(radius as (typeof RADII)[number]);
        offsets.set([(x - middleX) / LEAN, (y - middleY) / LEAN], 2 * slot);
      });
      backgrounds[first + LOCATIONS.length] = 1 + BACKGROUNDS.indexOf(clip.background);
    });
  });
  return { labels, offsets };
}
