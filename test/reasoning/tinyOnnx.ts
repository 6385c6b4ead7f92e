/** Writes a small ONNX classifier of text pairs, with its tokenizer: the logits of a pair are the sums of its tokens' rows. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const LABELS = ['contradiction', 'entailment', 'neutral'];

/**
 * @param rows logits of each word, in the order of {@link LABELS}; all other words count nothing
 */
export async function writeTinyNli(
  folder: string,
  rows: Record<string, number[]>,
  labels: readonly string[] = LABELS,
): Promise<void> {
  const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', ...Object.keys(rows)];
  const table = words.map((word) => rows[word] ?? labels.map(() => 0));
  await mkdir(join(folder, 'onnx'), { recursive: true });
  await writeFile(join(folder, 'onnx/model.onnx'), modelOf(table));
  const json = (name: string, value: object) => writeFile(join(folder, name), JSON.stringify(value));
  await json('config.json', {
    model_type: 'bert',
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
  });
  await json('tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    pad_token: '[PAD]',
    model_max_length: 64,
  });
  const special = words.slice(0, 4).map((content, id) => ({ id, content, special: true }));
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  await json('tokenizer.json', {
    version: '1.0',
    added_tokens: special,
    normalizer: { type: 'BertNormalizer', lowercase: true, clean_text: true, handle_chinese_chars: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]', 0), text('A', 0), token('[SEP]', 0)],
      pair: [token('[CLS]', 0), text('A', 0), token('[SEP]', 0), text('B', 1), token('[SEP]', 1)],
      special_tokens: {},
    },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  });
}

/** Protocol buffers: a field is a key and a varint, or a key, a length and bytes (onnx.proto3). */
function varint(value: number): number[] {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}
const int = (field: number, value: number) => Buffer.from([...varint(field << 3), ...varint(value)]);
const bytes = (field: number, content: Buffer | string) => {
  const body = Buffer.from(content);
  return Buffer.concat([Buffer.from([...varint((field << 3) | 2), ...varint(body.length)]), body]);
};
const message = (...fields: Buffer[]) => Buffer.concat(fields);

const INT64 = 7;
const FLOAT = 1;

/** logits = sum over tokens of table[input_ids] * attention_mask. */
function modelOf(table: number[][]): Buffer {
  const columns = table[0]!.length;
  const raw = Buffer.from(new Float32Array(table.flat()).buffer);
  const initializer = message(
    ...[int(1, table.length), int(1, columns), int(2, FLOAT), bytes(8, 'table'), bytes(9, raw)],
  );
  const attribute = (name: string, value: number, type: number) =>
    message(bytes(1, name), type === 2 ? int(3, value) : int(8, value), int(20, type));
  const node = (op: string, inputs: string[], output: string, ...attributes: Buffer[]) =>
    bytes(
      1,
      message(
        ...inputs.map((input) => bytes(1, input)),
        ...[bytes(2, output), bytes(4, op)],
        ...attributes.map((each) => bytes(5, each)),
      ),
    );
  const dimension = (name: string | number) =>
    bytes(1, typeof name === 'string' ? bytes(2, name) : int(1, name));
  const value = (name: string, type: number, ...shape: (string | number)[]) =>
    message(
      bytes(1, name),
      bytes(2, bytes(1, message(int(1, type), bytes(2, message(...shape.map(dimension)))))),
    );
  const graph = message(
    node('Gather', ['table', 'input_ids'], 'rows'),
    node('Cast', ['attention_mask'], 'mask', attribute('to', FLOAT, 2)),
    node('Unsqueeze', ['mask'], 'column', attribute('axes', 2, 7)),
    node('Mul', ['rows', 'column'], 'shown'),
    node('ReduceSum', ['shown'], 'logits', attribute('axes', 1, 7), attribute('keepdims', 0, 2)),
    bytes(2, 'tiny'),
    bytes(5, initializer),
    ...['input_ids', 'attention_mask'].map((name) => bytes(11, value(name, INT64, 'batch', 'tokens'))),
    bytes(12, value('logits', FLOAT, 'batch', columns)),
  );
  return message(int(1, 7), bytes(7, graph), bytes(8, message(int(2, 11))));
}
