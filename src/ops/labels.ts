/** Label of a decoder position that no loss is taken at (PyTorch's and transformers' convention). */
export const IGNORED = -100;
