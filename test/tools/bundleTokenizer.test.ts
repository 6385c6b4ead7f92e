/** The bundled tokenizer code. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PreTrainedTokenizer } from '@xenova/transformers/src/tokenizers.js';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { qaPrompt } from '../../src/text/prompts.js';
import { withPrefixSpace } from '../../src/text/tokenizer.js';
// @ts-expect-error a tool without declarations
import { bundleTokenizer } from '../../tools/bundle-tokenizer.mjs';
import { randomSample } from '../text/support.js';
import { tinyTokenizerJson } from '../text/tinyTokenizer.js';

let folder: string;
let bundle: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-bundle-'));
  bundle = join(folder, 'text/xenova.js');
  await mkdir(join(folder, 'text'));
  await writeFile(bundle, "export { PreTrainedTokenizer } from '@xenova/transformers/src/tokenizers.js';");
  await bundleTokenizer(folder);
});
afterAll(() => rm(folder, { recursive: true }));

it('says where it comes from', async () => {
  expect(await readFile(bundle, 'utf8')).toMatch(
    /^\/\*! The tokenizer of @xenova\/transformers \d+\.\d+\.\d+, by Xenova; Apache-2\.0\. \*\//,
  );
});

// It is imported from a folder that no package can be found from.
it('tokenizes as the package does, in one file that needs no other', async () => {
  const bundled = (await import(pathToFileURL(bundle).href)) as {
    PreTrainedTokenizer: typeof PreTrainedTokenizer;
  };
  const json = withPrefixSpace(tinyTokenizerJson()) as object;
  const config = { eos_token: '</s>', pad_token: '<pad>', unk_token: '<unk>', additional_special_tokens: [] };
  const [a, b] = [new bundled.PreTrainedTokenizer(json, config), new PreTrainedTokenizer(json, config)];
  const rng = new Rng('bundle');
  const texts = [
    '',
    ' two  spaces ',
    'naïve café </s>',
    ...Array.from({ length: 20 }, () => qaPrompt(randomSample(rng))),
  ];
  for (const text of texts) {
    const ids = encode(a, text);
    expect(ids).toEqual(encode(b, text));
    expect(decode(a, ids)).toBe(decode(b, ids));
  }
});

const encode = (tokenizer: PreTrainedTokenizer, text: string) =>
  tokenizer.model.convert_tokens_to_ids(
    tokenizer.model(tokenizer.pre_tokenizer!(tokenizer.normalizer!(text), { section_index: 0 })),
  );
const decode = (tokenizer: PreTrainedTokenizer, ids: number[]) =>
  ids.length === 0
    ? ''
    : tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
