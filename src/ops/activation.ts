/** GELU, gated GELU and gated SiLU with their dropout. */
import * as tf from '@tensorflow/tfjs-core';
import { check, checkFloat, sameShape } from './check.js';
import { checkKey, dropout, dropoutNumbers } from './dropout.js';
import { type GeluForm, hasFused, runKernel } from './kernels.js';
import type { DropoutKey } from './philox.js';
import { jointly, taped } from './tape.js';

export type { GeluForm };

/** Which tensors may be stored in bf16 (see bf16.ts): the result, the gradients. Neither by default. */
interface Bf16Storage {
  bf16?: boolean;
  gradientBf16?: boolean;
}

/** Storage and dropout (see {@link dropout}) of an activation's result; no dropout by default. */
interface ActivationOptions extends Bf16Storage {
  dropout?: DropoutKey | undefined;
}

/**
 * dropout(gelu(x)) of every element; float32 or stored in bf16, any shape.
 *
 * @param form `erf`: x Phi(x), exact. `tanh`: the approximation 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) (Hendrycks
 *   and Gimpel 2016).
 */
export function gelu<T extends tf.Tensor>(x: T, form: GeluForm, options: ActivationOptions = {}): T {
  const { bf16 = false, gradientBf16 = false, dropout: key } = options;
  checkFloat('gelu', { x });
  checkForm(form);
  if (key) return tf.tidy(() => dropout(gelu(x, form, { gradientBf16 }), key, bf16));
  if (!hasFused('ReasGelu')) return tf.tidy(() => composedGelu(x, form) as T);
  return taped(
    'gelu',
    { x },
    (save) => {
      save([x]);
      return runKernel('ReasGelu', { x }, { form, bf16 });
    },
    (dy, [savedX]) => ({
      x: () => runKernel('ReasGeluGrad', { dy, x: savedX! }, { form, bf16: gradientBf16 }),
    }),
  ) as T;
}

/** dropout(gelu(gate) * up), a gated feed-forward unit (Shazeer 2020); both operands have one shape and one storage type. */
export function gatedGelu<T extends tf.Tensor>(
  gate: T,
  up: T,
  form: GeluForm,
  options: ActivationOptions = {},
): T {
  const { bf16 = false, gradientBf16 = false, dropout: key } = options;
  checkFloat('gatedGelu', { gate, up });
  check(sameShape(gate, up), 'gatedGelu', 'gate and up of one shape', { gate, up });
  checkForm(form);
  if (!hasFused('ReasGatedGelu'))
    return tf.tidy(() => dropout(tf.mul(composedGelu(gate, form), up) as T, key));
  if (key) checkKey(key);
  const numbers = dropoutNumbers(key);
  return taped(
    'gatedGelu',
    { gate, up },
    (save) => {
      save([gate, up]);
      return runKernel('ReasGatedGelu', { gate, up }, { form, dropout: numbers, bf16 });
    },
    (dy, saved) => {
      const [savedGate, savedUp] = saved as [tf.Tensor, tf.Tensor];
      const attrs = { form, dropout: numbers, bf16: gradientBf16 };
      const both = jointly(() => runKernel('ReasGatedGeluGrad', { dy, gate: savedGate, up: savedUp }, attrs));
      return { gate: () => both(0), up: () => both(1) };
    },
  ) as T;
}

/**
 * dropout(silu(gate) * up) with silu(x) = x sigmoid(x): the gated unit of Llama and Qwen (Shazeer 2020: SwiGLU). Both
 * operands have one shape and one storage type.
 */
export function gatedSilu<T extends tf.Tensor>(gate: T, up: T, options: ActivationOptions = {}): T {
  const { bf16 = false, gradientBf16 = false, dropout: key } = options;
  checkFloat('gatedSilu', { gate, up });
  check(sameShape(gate, up), 'gatedSilu', 'gate and up of one shape', { gate, up });
  if (!hasFused('ReasGatedSilu'))
    return tf.tidy(() => dropout(tf.mul(tf.mul(gate, tf.sigmoid(gate)), up) as T, key));
  if (key) checkKey(key);
  const numbers = dropoutNumbers(key);
  return taped(
    'gatedSilu',
    { gate, up },
    (save) => {
      save([gate, up]);
      return runKernel('ReasGatedSilu', { gate, up }, { dropout: numbers, bf16 });
    },
    (dy, saved) => {
      const [savedGate, savedUp] = saved as [tf.Tensor, tf.Tensor];
      const attrs = { dropout: numbers, bf16: gradientBf16 };
      const both = jointly(() => runKernel('ReasGatedSiluGrad', { dy, gate: savedGate, up: savedUp }, attrs));
      return { gate: () => both(0), up: () => both(1) };
    },
  ) as T;
}

function checkForm(form: GeluForm): void {
  if (form !== 'erf' && form !== 'tanh') throw new Error(`gelu: form ${String(form)}; expected erf or tanh`);
}

function composedGelu(x: tf.Tensor, form: GeluForm): tf.Tensor {
  const half = tf.mul(x, 0.5);
  if (form === 'erf') return tf.mul(half, tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return tf.mul(half, tf.add(tf.tanh(inner), 1));
}
