/** EVA ViT-g, the vision model of BLIP-2. */
import * as tf from '@tensorflow/tfjs-core';
import { selfAttention } from '../../ops/attention.js';
import type { Blip2Config } from '../../weights/config.js';
import { type Context, inferenceContext, nextDropout } from '../context.js';
import { Linear, readBy } from '../layers/linear.js';
import { Module, type Parameter, single } from '../layers/module.js';
import { LayerNorm } from '../layers/norm.js';
import { patchesOf } from '../layers/patches.js';
import { runBlocks, type Sublayer } from '../layers/sublayer.js';
import { VisionLayer } from '../layers/visionLayer.js';

type VisionConfig = Blip2Config['vision_config'];

/**
 * Patch and position embeddings of EVA ViT-g: a convolution with stride = kernel = patch size written as one matrix
 * product, a class token in front, learned absolute positions (LAVIS eva_vit.py, HF Blip2VisionEmbeddings).
 */
class VisionEmbeddings extends Module {
  static className = 'Blip2VisionEmbeddings';
  readonly classEmbedding: Parameter;
  readonly positionEmbedding: Parameter;
  readonly patchWeight: Parameter;
  readonly patchBias: Parameter;
  readonly grid: number;

  constructor(
    path: string,
    readonly config: VisionConfig,
  ) {
    super(path);
    const { hidden_size: width, patch_size: patch, image_size: image } = config;
    this.grid = Math.floor(image / patch);
    // The scale of a patch's embedding of normalised pixels: with 0.02 a small model takes long to learn positions.
    this.classEmbedding = this.parameter('class_embedding', [1, 1, width], { normal: 0.5 });
    this.positionEmbedding = this.parameter('position_embedding', [1, this.grid ** 2 + 1, width], {
      normal: 0.5,
    });
    this.patchWeight = this.parameter('patch_embedding.weight', [width, 3, patch, patch], {
      normal: 1 / Math.sqrt(3 * patch * patch),
    });
    this.patchBias = this.parameter('patch_embedding.bias', [width], 'zeros');
  }

  /** @param pixels (n, 3, image, image) float32, normalised. @returns (n, 1 + grid^2, hidden). */
  forward(pixels: tf.Tensor4D): tf.Tensor3D {
    const { hidden_size: width, patch_size: patch, image_size: image } = this.config;
    const n = pixels.shape[0];
    if (pixels.shape[1] !== 3 || pixels.shape[2] !== image || pixels.shape[3] !== image)
      throw new Error(
        `vision_model: expected pixels (n, 3, ${image}, ${image}), got (${pixels.shape.join(', ')})`,
      );
    const flat = patchesOf(pixels, patch);
    const kernel = tf.reshape(this.patchWeight.value, [width, 3 * patch * patch]);
    const embedded = tf.add(
      tf.reshape(matMulRows(flat, kernel), [n, this.grid ** 2, width]),
      this.patchBias.value,
    );
    const cls = tf.tile(this.classEmbedding.value as tf.Tensor3D, [n, 1, 1]);
    return tf.add(tf.concat([cls, embedded as tf.Tensor3D], 1), this.positionEmbedding.value);
  }
}

function matMulRows(x: tf.Tensor, weight: tf.Tensor): tf.Tensor2D {
  const width = x.shape[x.rank - 1] as number;
  return tf.matMul(tf.reshape(x, [-1, width]) as tf.Tensor2D, weight as tf.Tensor2D, false, true);
}

/** Attention of EVA ViT-g: queries, keys and values from one product, heads major inside each of the three. */
class VisionAttention extends Module implements Sublayer {
  static className = 'Blip2Attention';
  readonly first: readonly Linear[];
  readonly last: Linear;
  readonly rate = 0;
  readonly tensors = {};
  private readonly qkv: Linear;

  constructor(
    path: string,
    readonly config: VisionConfig,
  ) {
    super(path);
    const { hidden_size: width, qkv_bias: bias } = config;
    this.qkv = this.child(new Linear(`${path}.qkv`, width, 3 * width, bias));
    this.first = [this.qkv];
    this.last = this.child(new Linear(`${path}.projection`, width, width, true));
  }

  inner(x: tf.Tensor3D, _tensors: object, context: Context): tf.Tensor3D {
    const { num_attention_heads: heads, hidden_size: width } = this.config;
    return selfAttention(this.qkv.forward(x, context), {
      heads,
      scale: (width / heads) ** -0.5,
      dropout: nextDropout(context, this.config.attention_dropout),
      ...readBy(this.last, context),
    });
  }
}

/** EVA ViT-g without its last block, as BLIP-2 uses it, and the trainable norm after it. */
export class VisionModel extends Module {
  static className = 'Blip2VisionModel';
  readonly embeddings: VisionEmbeddings;
  readonly blocks: VisionLayer[];
  readonly postLayernorm: LayerNorm;

  constructor(
    path: string,
    readonly config: VisionConfig,
  ) {
    super(path);
    this.embeddings = this.child(new VisionEmbeddings(`${path}.embeddings`, config));
    this.blocks = Array.from({ length: config.num_hidden_layers }, (_, i) => {
      const layer = `${path}.encoder.layers.${i}`;
      return this.child(
        new VisionLayer(layer, config, new VisionAttention(`${layer}.self_attn`, config), 'erf'),
      );
    });
    this.postLayernorm = this.child(
      new LayerNorm(`${path}.post_layernorm`, config.hidden_size, config.layer_norm_eps),
    );
  }

  /**
   * Everything before `post_layernorm`: frozen in training, so the feature store holds its output.
   *
   * @param pixels (n, 3, image, image) float32. @returns (n, 1 + grid^2, hidden) float32.
   */
  features(pixels: tf.Tensor4D, context: Context): tf.Tensor3D {
    const embedded = tf.tidy(() => this.embeddings.forward(pixels));
    const features = runBlocks(this.blocks, embedded, {}, context);
    if (features !== embedded) embedded.dispose();
    return features;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const context = inferenceContext();
    return this.postLayernorm.forward(this.features(single(inputs) as tf.Tensor4D, context));
  }

  override computeOutputShape(inputShape: number[]): number[] {
    return [inputShape[0] as number, this.embeddings.grid ** 2 + 1, this.config.hidden_size];
  }
}
