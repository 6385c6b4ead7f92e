/** What the operands of one layer are called in a call of the kernels of joint linear layers. */
export interface LinearOperands {
  weight: string;
  bias: string;
  loraA: string;
  loraB: string;
  addend: string;
  /** Gradient of the layer's result. */
  dy: string;
}

const made: LinearOperands[] = [];

/** Names of layer `i`'s operands: weight0, ... Kept, since joining them anew for each call took a fifth of a tiny layer. */
export function linearOperands(i: number): LinearOperands {
  made[i] ??= {
    weight: `weight${i}`,
    bias: `bias${i}`,
    loraA: `loraA${i}`,
    loraB: `loraB${i}`,
    addend: `addend${i}`,
    dy: `dy${i}`,
  };
  return made[i];
}
