/** Label of a decoder position without a loss (PyTorch's and transformers' convention). */
export const IGNORED = -100;
