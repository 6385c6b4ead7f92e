/**
 * The vocabulary of the shapes world as a SentencePiece Unigram tokenizer: every word that prompts, questions, captions
 * and the teacher's reasoning can contain is one piece (with the metaspace in front), and every printable ASCII
 * character is a piece of its own, so that any other text still encodes.
 *
 * The order of the pieces is part of the base model's weights: add new words at the end of ADDED, never in between.
 */
import { EFFECT_BASE, EFFECT_PAST, EFFECT_PRESENT, lawOf } from './language.js';
import { BACKGROUNDS, COLOURS, DIRECTIONS, EFFECT_OF, LOCATIONS, SHAPES } from './scene.js';

const METASPACE = '▁';

/** The question prompt (text/prompts.ts) and the instructions of pre-training. */
const PROMPT_WORDS = words(
  'Question Option Frame frame A B C D E Considering the information presented in the frame select the ' +
    'correct answer from the options Describe Complete Explanation blank',
);

const NAME_WORDS = words(
  [COLOURS, SHAPES, BACKGROUNDS, DIRECTIONS, LOCATIONS].map((list) => list.join(' ')).join(' '),
);

const EVENT_WORDS = words(
  [
    ...[EFFECT_PRESENT, EFFECT_PAST, EFFECT_BASE].flatMap((table) => Object.values<string>(table)),
    ...SHAPES.map((shape) => lawOf(shape, EFFECT_OF[shape])),
    'moves moved move touches touched touch is pushed turns stays stayed still nothing changes',
  ].join(' '),
);

const QUESTION_WORDS = words(
  'why how where what which did does do are it to there when while after before react object objects shape colour ' +
    'background at start end can we see has',
);

/** Words of the teacher alone, and capitals at the start of its sentences. */
const REASONING_WORDS = words(
  'a and on no not or so in by step us let look frames At The In From After There It Let Circles Squares Triangles Stars ' +
    'Crosses',
);

/** The closing phrases of the paper's appendix A.4. */
const CLOSING_WORDS = words(
  '###Answer ###Conclusion ###Detailed Explanation **Answer** **Conclusion** Thus Therefore Based Given these ' +
    'this observations and the context correct answer option choice explanation details supports fits',
);

const DIGITS = words('0 1 2 3 4 5 6 7 8 9 - * ###');
const PUNCTUATION = ['.', ',', ':', '?', ';', '!', "'"];

/** Words added after base weights were made; keep the order. */
const ADDED: readonly string[] = [];

/** Specials, the metaspace, whole words, punctuation, single characters; padded with `<extra_id_n>` to a multiple of 64. */
export function shapesPieces(): string[] {
  const wholeWords = [
    ...PROMPT_WORDS,
    ...NAME_WORDS,
    ...EVENT_WORDS,
    ...QUESTION_WORDS,
    ...REASONING_WORDS,
    ...CLOSING_WORDS,
    ...DIGITS,
    ...ADDED,
  ].map((word) => METASPACE + word);
  const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const pieces = [
    ...new Set(['<pad>', '</s>', '<unk>', METASPACE, ...PUNCTUATION, ...characters, ...wholeWords]),
  ];
  // At least 32 spare rows, so that words can be added without changing the size of the embedding.
  const sentinels = 64 * Math.ceil((pieces.length + 32) / 64) - pieces.length;
  for (let i = sentinels - 1; i >= 0; i--) pieces.push(`<extra_id_${i}>`);
  return pieces;
}

/** tokenizer.json and tokenizer_config.json as the Hugging Face libraries read them. */
export function shapesTokenizerFiles(): { tokenizer: string; config: string } {
  const pieces = shapesPieces();
  const specials = pieces.filter((piece) => /^<.+>$/.test(piece));
  const metaspace = {
    type: 'Metaspace',
    replacement: METASPACE,
    prepend_scheme: 'always',
    add_prefix_space: true,
  };
  const end = { SpecialToken: { id: '</s>', type_id: 0 } };
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specials.map((content) => ({
      id: pieces.indexOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFKC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Strip', strip_left: false, strip_right: true },
      ],
    },
    pre_tokenizer: metaspace,
    post_processor: {
      type: 'TemplateProcessing',
      single: [sequence('A'), end],
      pair: [sequence('A'), end, sequence('B'), end],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: 2, vocab: pieces.map((piece) => [piece, scoreOf(piece)]) },
  };
  const sentinels = specials.filter((piece) => piece.startsWith('<extra_id_'));
  const config = {
    tokenizer_class: 'T5Tokenizer',
    eos_token: '</s>',
    unk_token: '<unk>',
    pad_token: '<pad>',
    extra_ids: sentinels.length,
    additional_special_tokens: sentinels,
    model_max_length: 512,
    legacy: false,
  };
  return { tokenizer: `${JSON.stringify(tokenizer)}\n`, config: `${JSON.stringify(config, null, 2)}\n` };
}

/** Log probabilities that make one whole word beat any way of spelling it, and punctuation stand alone. */
function scoreOf(piece: string): number {
  if (/^<.+>$/.test(piece)) return 0;
  if (PUNCTUATION.includes(piece)) return -3;
  if (piece === METASPACE) return -6;
  return piece.length > 1 ? -5 : -12;
}

function words(text: string): string[] {
  return text.split(/\s+/);
}
