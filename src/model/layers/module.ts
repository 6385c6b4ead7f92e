/** Modules and parameters: tfjs layers that know their children, and tensors under checkpoint names. */
import * as tf from '@tensorflow/tfjs-core';
import { type LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { Rng } from '../../base/random.js';
import { toBf16 } from '../../ops/bf16.js';

/** Initial value of a parameter that no checkpoint sets. */
type Initial = 'zeros' | 'ones' | { normal: number } | { uniform: number };

/**
 * One named tensor of the model. The name is the checkpoint's own, so that files, variables, optimizer state and
 * error messages agree. It has no memory until {@link Module.materialize} gives it a value: a 3.9 B-parameter
 * model is laid out and compared with a file before the first byte is read.
 */
export class Parameter {
  private variable: tf.Variable | undefined;
  private borrowed = false;

  constructor(
    readonly name: string,
    readonly shape: number[],
    readonly initial: Initial,
    private readonly create: (parameter: Parameter, value: tf.Tensor) => tf.Variable,
  ) {}

  /** The variable, float32, of shape `shape`. */
  get value(): tf.Variable {
    if (!this.variable) throw new Error(`${this.name}: used before it was loaded`);
    return this.variable;
  }

  get size(): number {
    return this.shape.reduce((a, b) => a * b, 1);
  }

  get loaded(): boolean {
    return this.variable !== undefined;
  }

  /** Takes the value over; the tensor is disposed. @throws Error when the shape is another. */
  set(value: tf.Tensor): void {
    tf.util.assertShapesMatch(value.shape, this.shape, `${this.name}: `);
    if (this.borrowed) throw new Error(`${this.name}: shared with another model, cannot be set`);
    if (this.variable) this.variable.assign(value);
    else this.variable = this.create(this, value);
    value.dispose();
  }

  /**
   * Uses the variable of another model's parameter, which that model keeps owning: several models share a frozen
   * weight.
   *
   * @throws Error when it has a value already or is trained
   */
  share(other: Parameter): void {
    tf.util.assertShapesMatch(other.shape, this.shape, `${this.name}: `);
    if (this.variable || other.value.trainable)
      throw new Error(`${this.name}: only a frozen weight that is not loaded yet can be shared`);
    this.variable = other.value;
    this.borrowed = true;
  }

  /** {@link set} with the value rounded to bf16 and stored so (src/model/precision.ts): only `linear` and the loss read it. */
  setBf16(value: tf.Tensor): void {
    this.set(toBf16(value));
    value.dispose();
  }

  /** A fresh value by `initial`, drawn from a stream of its own so that the order of parameters does not matter. */
  initialise(rng: Rng): void {
    this.set(tf.tensor(initialValues(this.initial, this.size, rng.fork(this.name)), this.shape, 'float32'));
  }
}

function initialValues(initial: Initial, size: number, rng: Rng): Float32Array {
  const values = new Float32Array(size);
  if (initial === 'ones') values.fill(1);
  else if (typeof initial === 'object') {
    const draw =
      'normal' in initial
        ? () => rng.normal() * initial.normal
        : () => (rng.float() * 2 - 1) * initial.uniform;
    for (let i = 0; i < size; i++) values[i] = draw();
  }
  return values;
}

/**
 * A tfjs layer that knows its children and names its parameters as the checkpoint does. tfjs-layers does not track
 * layers held as fields, so the tree is kept here; `weights`, `trainableWeights` and `countParams` see all of it.
 *
 * Subclasses have a typed `forward`; those that override `call` can be applied as plain tfjs layers.
 */
export abstract class Module extends layers.Layer {
  private readonly ownParameters: Parameter[] = [];
  private readonly ownVariables: LayerVariable[] = [];
  private readonly children: Module[] = [];

  /** @param path the checkpoint's prefix of this module's parameters, without a trailing dot. */
  constructor(readonly path: string) {
    super({ name: path });
    this.built = true;
  }

  override call(_inputs: tf.Tensor | tf.Tensor[]): tf.Tensor | tf.Tensor[] {
    throw new Error(
      `${this.path || this.getClassName()}: use its own methods; it is not applied as a plain layer`,
    );
  }

  /** Declares a parameter `<path>.<name>`. */
  protected parameter(name: string, shape: number[], initial: Initial): Parameter {
    const fullName = this.path === '' ? name : `${this.path}.${name}`;
    const parameter = new Parameter(fullName, shape, initial, (p, value) => this.createVariable(p, value));
    this.ownParameters.push(parameter);
    return parameter;
  }

  protected child<T extends Module>(module: T): T {
    this.children.push(module);
    return module;
  }

  private createVariable(parameter: Parameter, value: tf.Tensor): tf.Variable {
    const initializer = new Given(value);
    const variable = this.addWeight(
      parameter.name,
      parameter.shape,
      'float32',
      initializer,
      undefined,
      false,
    );
    this.ownVariables.push(variable);
    // LayerVariable.read() returns the tf.Variable itself (tfjs-layers 4.22, variables.ts).
    return variable.read() as tf.Variable;
  }

  /** This module's modules, itself first, depth first. */
  *modules(): Generator<Module> {
    yield this;
    for (const child of this.children) yield* child.modules();
  }

  /** Every parameter of this module and those below it. */
  *parameters(): Generator<Parameter> {
    for (const module of this.modules()) yield* module.ownParameters;
  }

  /** Marks the parameters that `selected` accepts as trainable and all others as frozen. */
  setTrainable(selected: (parameter: Parameter) => boolean): void {
    for (const module of this.modules())
      for (const parameter of module.ownParameters) {
        const variable = module.ownVariables.find((v) => v.originalName === parameter.name);
        if (variable) variable.trainable = selected(parameter);
      }
  }

  override get weights(): LayerVariable[] {
    return [...this.modules()].flatMap((module) => module.ownVariables);
  }

  override get trainableWeights(): LayerVariable[] {
    return this.weights.filter((variable) => variable.trainable);
  }

  override get nonTrainableWeights(): LayerVariable[] {
    return this.weights.filter((variable) => !variable.trainable);
  }

  /** Frees every variable of the tree. (The base class refuses layers that were never applied.) */
  override dispose(): { refCountAfterDispose: number; numDisposedVariables: number } {
    const variables = this.weights;
    for (const variable of variables) variable.dispose();
    return { refCountAfterDispose: 0, numDisposedVariables: variables.length };
  }
}

/** The variables of modules and of those below them. */
export const variablesOf = (modules: readonly Module[]): tf.Variable[] =>
  modules.flatMap((module) => [...module.parameters()].map((parameter) => parameter.value));

/** The one tensor that tfjs hands to `call` alone or in a list. */
export function single(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
  const x = Array.isArray(inputs) ? inputs[0] : inputs;
  if (!x) throw new Error('a layer was called without an input');
  return x;
}

/** Gives every parameter that has no value yet a fresh one, but for those whose values are read `later`. */
export function initialiseMissing(
  module: Module,
  rng: Rng,
  later: (name: string) => boolean = () => false,
): string[] {
  const fresh: string[] = [];
  for (const parameter of module.parameters())
    if (!parameter.loaded && !later(parameter.name)) {
      parameter.initialise(rng);
      fresh.push(parameter.name);
    }
  return fresh;
}

/** A tfjs initializer that hands out a tensor that is already there. */
class Given {
  static className = 'Given';

  constructor(private readonly value: tf.Tensor) {}

  apply(): tf.Tensor {
    return this.value.clone();
  }

  fromConfigUsesCustomObjects(): boolean {
    return false;
  }

  getClassName(): string {
    return Given.className;
  }

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }
}
