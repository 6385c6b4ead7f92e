/** Writes a small Unigram tokenizer. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const WORDS =
  'Option A B C D E Question Frame Considering the red blue square circle moves touches left because 1 2'.split(
    ' ',
  );

/** A tokenizer.json of the current format with some thirty whole words, every lower-case letter and punctuation. */
export function tinyTokenizerJson(): Record<string, unknown> {
  const special = ['<pad>', '</s>', '<unk>'];
  const letters = [...'abcdefghijklmnopqrstuvwxyzFGQ'];
  const vocab: [string, number][] = [
    ...special.map((token): [string, number] => [token, 0]),
    ['▁', -3],
    ...WORDS.map((word): [string, number] => [`▁${word}`, -5]),
    ...letters.map((letter): [string, number] => [letter, -8]),
    ...[...':.,?!'].map((mark): [string, number] => [mark, -6]),
  ];
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      id,
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
        { type: 'Strip', strip_left: false, strip_right: true },
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' },
      ],
    },
    pre_tokenizer: metaspace,
    post_processor: null,
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: 2, vocab, byte_fallback: false },
  };
}

/** Writes the tokenizer into a folder and returns the folder. */
export async function writeTinyTokenizer(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tinyTokenizerJson()));
  return folder;
}
