/** AdamW in place, and the global gradient norm. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat, isFloat, sameShape } from './check.js';
import { hasFused, runKernel } from './kernels.js';

/** One parameter with its two moments (zeros at the start) and its own weight decay and learning rate. */
interface AdamWGroup {
  parameter: tf.Variable;
  m: tf.Variable;
  v: tf.Variable;
  weightDecay: number;
  learningRate: number;
}

interface AdamWHyper {
  beta1: number;
  beta2: number;
  eps: number;
  /** 1 for the first update. */
  step: number;
  /** Multiplies every gradient: 1 / accumulation steps, times the clipping factor. */
  gradScale: number;
}

/**
 * One update of every parameter, in place, as torch.optim.AdamW does it (Loshchilov and Hutter 2019):
 * p *= 1 - lr wd;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
 * p -= lr / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + eps).
 *
 * @param grads one per group, shaped as its parameter
 */
export function adamwStep(groups: AdamWGroup[], grads: tf.Tensor[], hyper: AdamWHyper): void {
  if (groups.length !== grads.length) {
    throw new Error(
      `adamwStep: ${grads.length} gradients for ${groups.length} parameters; expected one each`,
    );
  }
  if (!(Number.isInteger(hyper.step) && hyper.step >= 1)) {
    throw new Error(`adamwStep: step ${hyper.step}; expected an integer from 1`);
  }
  groups.forEach(({ parameter, m, v }, i) => {
    if ([parameter, m, v, grads[i]!].every((each) => isFloat(each) && sameShape(parameter, each))) return;
    const all = { parameter, m, v, gradient: grads[i]! };
    checkFloat(`adamwStep of ${parameter.name}`, all);
    check(false, `adamwStep of ${parameter.name}`, 'parameter, m, v and gradient of one shape', all);
  });
  if (groups.length === 0) return;
  if (hasFused('ReasAdamW')) fusedStep(groups, grads, hyper);
  else for (let i = 0; i < groups.length; i++) composedStep(groups[i]!, grads[i]!, hyper);
}

function composedStep(group: AdamWGroup, grad: tf.Tensor, hyper: AdamWHyper): void {
  const { parameter, m, v, weightDecay, learningRate } = group;
  const { beta1, beta2, eps, step, gradScale } = hyper;
  tf.tidy(() => {
    const g = tf.mul(grad, gradScale);
    const nextM = tf.add(tf.mul(m, beta1), tf.mul(g, 1 - beta1));
    const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
    const denominator = tf.add(tf.div(tf.sqrt(nextV), Math.sqrt(1 - beta2 ** step)), eps);
    const update = tf.mul(tf.div(nextM, denominator), learningRate / (1 - beta1 ** step));
    const decayed = tf.mul(parameter, 1 - learningRate * weightDecay);
    parameter.assign(tf.sub(decayed, update));
    m.assign(nextM);
    v.assign(nextV);
  });
}

/**
 * One kernel over all tensors, in place. Its inputs are an array, as those of tfjs's Concat are: 2,000 names took longer to
 * make and to look up than the update itself.
 */
function fusedStep(groups: AdamWGroup[], grads: tf.Tensor[], hyper: AdamWHyper): void {
  const inputs = groups.flatMap(({ parameter, m, v }, i) => {
    for (const variable of [parameter, m, v]) ownBuffer(variable);
    return [parameter, m, v, grads[i]!];
  });
  runKernel('ReasAdamW', inputs, {
    ...hyper,
    learningRates: groups.map((group) => group.learningRate),
    weightDecays: groups.map((group) => group.weightDecay),
  });
}

/**
 * Moves a variable to a buffer of its own when a clone (a snapshot, an exponential average) shares its buffer: a clone
 * must not change when the variable is updated in place.
 */
function ownBuffer(variable: tf.Variable): void {
  if (tf.backend().refCount(variable.dataId) <= 1) return;
  tf.tidy(() => variable.assign(tf.mul(variable, 1)));
}

/** sqrt of the sum of squares of all elements of all gradients; a scalar on the engine. */
export function globalNorm(grads: tf.Tensor[]): tf.Scalar {
  if (!grads.every(isFloat))
    checkFloat('globalNorm', Object.fromEntries(grads.map((grad, i) => [`gradient ${i}`, grad])));
  if (grads.length === 0) return tf.scalar(0);
  if (hasFused('ReasGlobalNorm')) {
    return runKernel('ReasGlobalNorm', grads, {}) as tf.Scalar;
  }
  return tf.tidy(() => tf.sqrt(tf.addN(grads.map((grad) => tf.sum(tf.square(grad))))) as tf.Scalar);
}
