/** Builds the CUDA shim and tells the variables that make the engine use it; see build.mjs. */
export function buildCudaShim(): Record<string, string>;
