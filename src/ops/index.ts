/** The operations as one import, for tests and benches. */
export { gatedGelu, gatedSilu, gelu } from './activation.js';
export { adamwStep, globalNorm } from './adamw.js';
export { attention, selfAttention } from './attention.js';
export { valueAndGradients } from './backward.js';
export { hasBf16, isBf16, toBf16 } from './bf16.js';
export { type CausalMask, causalAttention, causalMask } from './causalAttention.js';
export { linearCrossEntropy } from './crossEntropy.js';
export { DropoutStream, dropout, residual } from './dropout.js';
export { embedding } from './embedding.js';
export { setFused } from './kernels.js';
export { type LinearLayer, linear, linears } from './linear.js';
export { layerNorm, rmsNorm } from './norm.js';
export { type DropoutKey, philoxKeepMask } from './philox.js';
export { recompute } from './recompute.js';
export { rope, ropeTable } from './rope.js';
