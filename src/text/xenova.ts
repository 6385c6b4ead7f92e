/**
 * The only import of @xenova/transformers. Compiling bundles this file with the tokenizer's code
 * (tools/bundle-tokenizer.mjs): whoever installs our package gets the tokenizer without the pipelines, ONNX runtimes
 * and image library of the whole.
 */
export { PreTrainedTokenizer } from '@xenova/transformers/src/tokenizers.js';
