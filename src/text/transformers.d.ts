/**
 * The modules of @xenova/transformers that tokenizing needs. The package's own entry point would also load its
 * pipelines, models and image code.
 */
declare module '@xenova/transformers/src/tokenizers.js' {
  export class PreTrainedTokenizer {
    constructor(tokenizerJson: object, tokenizerConfig: object);
    normalizer: ((text: string) => string) | null;
    pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null;
    model: {
      (words: string[]): string[];
      vocab: string[];
      tokens_to_ids: Map<string, number>;
      convert_tokens_to_ids(tokens: string[]): number[];
    };
    added_tokens: { content: string; id: number; special: boolean }[];
    added_tokens_regex: RegExp | null;
    decode(
      ids: number[],
      options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
    ): string;
  }
}
