/** SigLIP (Zhai et al. 2023), the vision tower of LLaVA-OneVision. */
import * as tf from '@tensorflow/tfjs-core';
import { attention } from '../../ops/attention.js';
import { type Context, nextDropout } from '../context.js';
import { forwardAll, Linear, readBy } from '../layers/linear.js';
import { Module, type Parameter } from '../layers/module.js';
import { LayerNorm } from '../layers/norm.js';
import { patchesOf } from '../layers/patches.js';
import { runBlocks, type Sublayer } from '../layers/sublayer.js';
import { VisionLayer } from '../layers/visionLayer.js';
import { type LlavaConfig, visionSide } from './config.js';

type VisionConfig = LlavaConfig['vision_config'];

/** GELU of config.json's names: the exact form, or the approximation by tanh. */
export const GELU_FORMS = { gelu: 'erf', gelu_pytorch_tanh: 'tanh', gelu_new: 'tanh' } as const;

/** Patch embeddings, a convolution with stride = kernel, and learned positions; no class token. */
class Embeddings extends Module {
  static className = 'SiglipVisionEmbeddings';
  private readonly weight: Parameter;
  private readonly bias: Parameter;
  private readonly positions: Parameter;

  constructor(
    path: string,
    private readonly config: VisionConfig,
  ) {
    super(path);
    const { hidden_size: width, patch_size: patch } = config;
    this.weight = this.parameter('patch_embedding.weight', [width, 3, patch, patch], {
      normal: 1 / Math.sqrt(3 * patch * patch),
    });
    this.bias = this.parameter('patch_embedding.bias', [width], 'zeros');
    this.positions = this.parameter('position_embedding.weight', [visionSide(config) ** 2, width], {
      normal: 0.5,
    });
  }

  /** @param pixels (n, 3, image, image) float32, normalised. @returns (n, side^2, hidden). */
  forward(pixels: tf.Tensor4D): tf.Tensor3D {
    const { hidden_size: width, patch_size: patch, image_size: image } = this.config;
    const n = pixels.shape[0];
    if (pixels.shape[1] !== 3 || pixels.shape[2] !== image || pixels.shape[3] !== image)
      throw new Error(
        `vision_tower: expected pixels (n, 3, ${image}, ${image}), got (${pixels.shape.join(', ')})`,
      );
    const patches = patchesOf(pixels, patch);
    const [, tokens, size] = patches.shape;
    const kernel = tf.reshape(this.weight.value, [width, size]) as tf.Tensor2D;
    const flat = tf.reshape(patches, [n * tokens, size]) as tf.Tensor2D;
    const embedded = tf.reshape(tf.matMul(flat, kernel, false, true), [n, tokens, width]);
    return tf.add(tf.add(embedded, this.bias.value), this.positions.value);
  }
}

class Attention extends Module implements Sublayer {
  static className = 'SiglipAttention';
  readonly first: readonly Linear[];
  readonly last: Linear;
  readonly rate = 0;
  readonly tensors = {};

  constructor(
    path: string,
    private readonly config: VisionConfig,
  ) {
    super(path);
    const { hidden_size: width } = config;
    this.first = ['q_proj', 'k_proj', 'v_proj'].map((name) =>
      this.child(new Linear(`${path}.${name}`, width, width, true)),
    );
    this.last = this.child(new Linear(`${path}.out_proj`, width, width, true));
  }

  inner(x: tf.Tensor3D, _tensors: object, context: Context): tf.Tensor3D {
    const { num_attention_heads: heads, hidden_size: width, attention_dropout: rate } = this.config;
    const [q, k, v] = forwardAll(this.first, x, context) as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
    return attention(q, k, v, {
      heads,
      scale: (width / heads) ** -0.5,
      dropout: nextDropout(context, rate),
      ...readBy(this.last, context),
    });
  }
}

/** The tower as LLaVA-OneVision reads it: the states after some block (`used`), before the final norm. */
export class VisionTower extends Module {
  static className = 'SiglipVisionModel';
  private readonly embeddings: Embeddings;
  private readonly layers: VisionLayer[];

  /** @param used blocks that are computed; the checkpoint may hold more */
  constructor(
    path: string,
    config: VisionConfig,
    private readonly used: number,
  ) {
    super(path);
    this.embeddings = this.child(new Embeddings(`${path}.embeddings`, config));
    this.layers = Array.from({ length: config.num_hidden_layers }, (_, i) => {
      const layer = `${path}.encoder.layers.${i}`;
      const own = new Attention(`${layer}.self_attn`, config);
      return this.child(new VisionLayer(layer, config, own, GELU_FORMS[config.hidden_act]));
    });
    // In every file, and read by nobody.
    this.child(new LayerNorm(`${path}.post_layernorm`, config.hidden_size, config.layer_norm_eps));
  }

  /** @param pixels (n, 3, image, image) float32. @returns (n, side^2, hidden) float32. */
  features(pixels: tf.Tensor4D, context: Context): tf.Tensor3D {
    const embedded = tf.tidy(() => this.embeddings.forward(pixels));
    const features = runBlocks(this.layers.slice(0, this.used), embedded, {}, context);
    if (features !== embedded) embedded.dispose();
    return features;
  }
}
