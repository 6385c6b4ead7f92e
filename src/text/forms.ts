/** How models are spoken to: what their tokenizers differ in beside the pieces of words. */

/** One way of asking and answering; a tokenizer has it by its kind. */
export interface TextForm {
  /** Special tokens of padding and of a text's end. */
  pad: string;
  eos: string;
  /**
   * Special tokens and text around every prompt; without it a prompt is its text and `eos`, and special tokens written out
   * in a text are recognised.
   */
  chat?: { before: string; after: string };
  /** Further special tokens that the form needs. */
  needed: readonly string[];
  /** Text that a choice by letter begins with, the letter apart: its last token is no part of the letter's. */
  answerStart: string;
  /** The same of a choice that follows reasoning. */
  answerAfterReasoning: string;
  /** The prompt of a question without options. */
  openTemplate: string;
  /** What stands between reasoning and a written answer that follows it. */
  answerMark: string;
}

/** Of a Unigram tokenizer: a text and its end, and answers such as `Option C` (SeViLA). */
export const PLAIN_FORM: TextForm = {
  pad: '<pad>',
  eos: '</s>',
  needed: [],
  answerStart: 'Option ',
  answerAfterReasoning: 'Option ',
  // LAVIS: visual question answering.
  openTemplate: 'Question: {question} Short answer:',
  answerMark: 'Answer:',
};

/** Of Qwen2's tokenizer: a chat with one video, as LLaVA-NeXT trains in it (conv_qwen), and the letter alone. */
export const CHAT_FORM: TextForm = {
  pad: '<|endoftext|>',
  eos: '<|im_end|>',
  chat: {
    before: '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<video>\n',
    after: '<|im_end|>\n<|im_start|>assistant\n',
  },
  needed: ['<|im_start|>', '<video>'],
  answerStart: '',
  answerAfterReasoning: '\nAnswer: ',
  openTemplate: '{question}\nAnswer the question using a single word or phrase.',
  answerMark: '\nAnswer:',
};
