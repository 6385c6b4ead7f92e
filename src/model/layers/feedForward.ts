/** The feed-forward layer of a transformer block, with or without a gate. */
import * as tf from '@tensorflow/tfjs-core';
import { type GeluForm, gatedGelu, gatedSilu, gelu } from '../../ops/activation.js';
import { dropout } from '../../ops/dropout.js';
import { type Context, nextDropout } from '../context.js';
import { forwardAll, Linear, readInBf16 } from './linear.js';
import { Module } from './module.js';
import type { Sublayer } from './sublayer.js';

export interface FeedForwardSettings {
  /** Features of x, and between the products. */
  width: number;
  inner: number;
  /** Names of the layers below the module's path. With two first layers, the first of them is the gate. */
  first: readonly [string] | readonly [string, string];
  last: string;
  bias: boolean;
  activation: GeluForm | 'relu' | 'silu';
  /** Dropout rates before the last product, and of the sublayer's result that is added to x. */
  dropout: { inner: number; result: number };
}

/** last(dropout(act(first[0] x) * first[1] x)), or last(dropout(act(first[0] x))) without a gate. */
export class FeedForward extends Module implements Sublayer {
  static className = 'ReasVqaFeedForward';
  readonly first: readonly Linear[];
  readonly last: Linear;
  readonly rate: number;
  readonly tensors = {};
  readonly recomputedWhenLight = true;

  constructor(
    path: string,
    private readonly settings: FeedForwardSettings,
  ) {
    super(path);
    const { width, inner, bias } = settings;
    this.first = settings.first.map((name) => this.child(new Linear(`${path}.${name}`, width, inner, bias)));
    this.last = this.child(new Linear(`${path}.${settings.last}`, inner, width, bias));
    this.rate = settings.dropout.result;
  }

  /** @param x (B, L, width). @returns (B, L, inner), the input of the last product. */
  inner(x: tf.Tensor3D, _tensors: object, context: Context): tf.Tensor3D {
    const { activation } = this.settings;
    const form = activation === 'erf' || activation === 'tanh' ? activation : undefined;
    const isGatedSilu = activation === 'silu' && this.first.length === 2;
    // The kernels of GELU and of gated SiLU alone take bf16.
    const takesBf16 = form !== undefined || isGatedSilu;
    const [gate, up] = forwardAll(this.first, x, context, takesBf16) as [tf.Tensor3D, tf.Tensor3D?];
    const key = nextDropout(context, this.settings.dropout.inner);
    const bf16 = this.last.readsBf16;
    const options = { bf16, gradientBf16: readInBf16(this.first), dropout: key };
    if (isGatedSilu) return gatedSilu(gate, up!, options);
    if (form) return up ? gatedGelu(gate, up, form, options) : gelu(gate, form, options);
    const active = activation === 'relu' ? tf.relu(gate) : tf.mul(gate, tf.sigmoid(gate));
    return dropout(up ? tf.mul(active, up) : active, key, bf16) as tf.Tensor3D;
  }
}
