/** The tokenizer: FlanT5's golden encodings, small ones, bad files. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { Tokenizer, withPrefixSpace } from '../../src/text/tokenizer.js';
import { webProxy, withoutProxies } from '../support/proxy.js';
import { describeWithShared, sharedPath } from '../support/shared.js';
import { tinyTokenizerJson, writeTinyTokenizer } from './tinyTokenizer.js';

const flanFolder = sharedPath('data/tokenizer/flan-t5');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reasvqa-tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => withoutProxies(vi.stubEnv));
afterEach(() => {
  vi.unstubAllEnvs();
});

describeWithShared('FlanT5 tokenizer', ['data/tokenizer/flan-t5'], () => {
  interface Golden {
    text: string;
    ids: number[];
    tokens: string[];
    decoded: string;
  }
  let tokenizer: Tokenizer;
  let golden: Golden[];
  beforeAll(async () => {
    tokenizer = await Tokenizer.load(flanFolder!);
    const lines = await readFile(join(flanFolder!, 'golden-encodings.jsonl'), 'utf8');
    golden = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Golden);
  });

  it('gives the 320 golden encodings, tokens and decoded texts', () => {
    expect(golden).toHaveLength(320);
    for (const { text, ids, tokens, decoded } of golden) {
      expect(tokenizer.encode(text, { addEos: true }), text).toEqual(ids);
      // For an unknown character the golden tokens show the character, the vocabulary <unk>.
      const pieces = ids.map((id, i) => (id === tokenizer.unkId ? tokens[i] : tokenizer.piece(id)));
      expect(pieces, text).toEqual(tokens);
      expect(tokenizer.decode(ids), text).toBe(decoded);
    }
  });

  it('gives the same ids again from its cache, and without </s> all but the last', () => {
    for (const { text, ids } of golden) {
      expect(tokenizer.encode(text, { addEos: true }), text).toEqual(ids);
      expect(tokenizer.encode(text, { addEos: false }), text).toEqual(ids.slice(0, -1));
    }
  });

  it('encodes random mixtures of the golden words as whole texts in one go', async () => {
    // The truth is the package without our word cache: the whole text through its own encode.
    const { T5Tokenizer } = (await import('@xenova/transformers/src/tokenizers.js' as string)) as {
      T5Tokenizer: new (json: object, config: object) => { encode(text: string): number[] };
    };
    const json = JSON.parse(await readFile(join(flanFolder!, 'tokenizer.json'), 'utf8'));
    const plain = new T5Tokenizer(withPrefixSpace(json) as object, { eos_token: '</s>' });
    const words = golden.flatMap(({ text }) => text.split(' '));
    const rng = new Rng('mixtures');
    for (let i = 0; i < 300; i++) {
      const joiner = () => rng.pick([' ', ' ', ' ', '', '  ', '\n', '-', '</s>', '▁']);
      const text = Array.from({ length: 1 + rng.int(20) }, () => rng.pick(words) + joiner()).join('');
      expect(tokenizer.encode(text, { addEos: true }), JSON.stringify(text)).toEqual(plain.encode(text));
    }
  });

  it('knows the special tokens and option letters of FlanT5', () => {
    expect([...tokenizer.letterIds(5)]).toEqual([71, 272, 205, 309, 262]);
    expect(tokenizer.answerStart()[0]).toBe(10231);
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.unkId]).toEqual([0, 1, 2]);
    expect(tokenizer.vocabSize).toBe(32100);
    expect(tokenizer.encode('Frame 1: ', { addEos: false })).toEqual([16015, 209, 10]);
  });

  it('normalises as SentencePiece does where @xenova/transformers alone does not', () => {
    // Ids from Hugging Face tokenizers 0.23 (Rust).
    expect(tokenizer.encode(' cycle\u200dlady', { addEos: true })).toEqual([4005, 9360, 1]);
  });

  it('decodes ids beyond its vocabulary, which a model can produce, as nothing', () => {
    const ids = tokenizer.encode('Option C', { addEos: true });
    expect(tokenizer.decode([...ids, 32127, 0, 0])).toBe('Option C');
    expect(tokenizer.decode([32127])).toBe('');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode(Int32Array.from(ids))).toBe('Option C');
  });

  it('loads from the path of tokenizer.json as from its folder', async () => {
    const other = await Tokenizer.load(join(flanFolder!, 'tokenizer.json'));
    expect(other.encode('the dog jumped', { addEos: true })).toEqual(
      tokenizer.encode('the dog jumped', { addEos: true }),
    );
  });
});

describe('tokenizer files', () => {
  it('loads a small Unigram tokenizer and round-trips text made of its pieces', async () => {
    const tokenizer = await Tokenizer.load(await writeTinyTokenizer(join(folder, 'tiny')));
    const ids = tokenizer.encode('Option B: red square', { addEos: true });
    expect(ids.map((id) => tokenizer.piece(id))).toEqual(['▁Option', '▁B', ':', '▁red', '▁square', '</s>']);
    expect(tokenizer.decode(ids)).toBe('Option B: red square');
    expect(tokenizer.encode('red   square', { addEos: false })).toEqual(
      tokenizer.encode('red square', { addEos: false }),
    );
  });

  it('maps characters without a piece to <unk>', async () => {
    const tokenizer = await Tokenizer.load(await writeTinyTokenizer(join(folder, 'tiny')));
    expect(tokenizer.encode('red é', { addEos: false })).toContain(tokenizer.unkId);
  });

  it('takes letters from the vocabulary, and refuses one that writes them as several tokens', async () => {
    const tokenizer = await Tokenizer.load(await writeTinyTokenizer(join(folder, 'tiny')));
    const letters = [...tokenizer.letterIds(3)].map((id) => tokenizer.piece(id));
    expect(letters).toEqual(['▁A', '▁B', '▁C']);
    expect(tokenizer.mostOptions()).toBe(5);
    expect(() => tokenizer.letterIds(7)).toThrow(
      /tiny.*"Option F" must be two tokens for scoring options, not 3 \(▁Option ▁ F\); .* may have 5 options/,
    );
  });

  it('reads older files, which say add_prefix_space', async () => {
    const json = tinyTokenizerJson();
    const metaspace = { type: 'Metaspace', replacement: '▁', add_prefix_space: true };
    const old = {
      ...json,
      normalizer: null,
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
      decoder: metaspace,
    };
    const path = join(folder, 'old.json');
    await writeFile(path, JSON.stringify(old));
    const tokenizer = await Tokenizer.load(path);
    const ids = tokenizer.encode('Option  B red', { addEos: false });
    expect(ids.map((id) => tokenizer.piece(id))).toEqual(['▁Option', '▁B', '▁red']);
    expect(tokenizer.decode(ids)).toBe('Option B red');
  });

  it.each([
    [
      'nothing there',
      async () => join(folder, 'absent', 'tokenizer.json'),
      /no such file or folder; expected/,
    ],
    [
      'a folder without one',
      async () => {
        await mkdir(join(folder, 'empty'), { recursive: true });
        return join(folder, 'empty');
      },
      /empty.tokenizer\.json: no such file/,
    ],
    ['not JSON', () => broken('a.json', '{"model":'), /a\.json: not JSON/],
    [
      'another model type',
      () => broken('b.json', '{"model":{"type":"WordPiece"}}'),
      /b\.json: not a SentencePiece Unigram tokenizer.*"WordPiece"/,
    ],
    [
      'a piece without a score',
      () =>
        broken('c.json', '{"added_tokens":[],"model":{"type":"Unigram","vocab":[["a",0],["b"]],"unk_id":0}}'),
      /c\.json: model\.vocab\[1\] must be \[piece, score\]/,
    ],
    [
      'a SentencePiece model',
      () => broken('spiece.model', 'x'),
      /SentencePiece model; give the tokenizer\.json/,
    ],
    [
      'no </s>',
      () => {
        const json = JSON.stringify({ ...tinyTokenizerJson(), added_tokens: [] });
        return broken('d.json', json.replaceAll('</s>', '</end>'));
      },
      /d\.json: has no <\/s> token/,
    ],
  ])('refuses %s in one line', async (_, make, message) => {
    const error = await Tokenizer.load(await make()).catch((e) => e);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('\n');
  });

  async function broken(name: string, text: string): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  }
});

describe('tokenizer by Hugging Face id', () => {
  let server: Server;
  let requests: string[];
  beforeAll(async () => {
    requests = [];
    server = createServer((request, response) => {
      requests.push(request.url!);
      if (request.url === '/someone/tiny/resolve/main/tokenizer.json')
        response.end(JSON.stringify(tinyTokenizerJson()));
      else response.writeHead(404).end('nothing');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('downloads once, then reads its cache, and sends nothing when offline', async () => {
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const cacheFolder = join(folder, 'cache');
    const first = await Tokenizer.load('someone/tiny', { cacheFolder });
    const asked = requests.filter((url) => url.endsWith('/tokenizer.json')).length;
    expect(asked).toBe(1);
    const again = await Tokenizer.load('someone/tiny', { cacheFolder, offline: true });
    expect(requests.filter((url) => url.endsWith('/tokenizer.json'))).toHaveLength(1);
    expect(again.encode('red square', { addEos: true })).toEqual(
      first.encode('red square', { addEos: true }),
    );
  });

  it('uses the proxy of the environment, and sends nothing for a cached tokenizer', async () => {
    const proxy = await webProxy({ port: (server.address() as AddressInfo).port });
    vi.stubEnv('HF_ENDPOINT', 'http://hub.invalid');
    vi.stubEnv('http_proxy', proxy.host);
    const cacheFolder = join(folder, 'proxied');
    await Tokenizer.load('someone/tiny', { cacheFolder });
    const files = ['tokenizer_config.json', 'tokenizer.json'];
    const asked = files.map((file) => `GET http://hub.invalid/someone/tiny/resolve/main/${file}`);
    expect(proxy.asked).toEqual(asked);
    await Tokenizer.load('someone/tiny', { cacheFolder });
    expect(proxy.asked).toEqual(asked);
    await proxy.close();
    await expect(Tokenizer.load('someone/fourth', { cacheFolder })).rejects.toThrow(
      /someone\/fourth: its tokenizer could not be downloaded; .* the proxy http:\S+ \(http_proxy\) cannot be reached/,
    );
  });

  it('keeps no partial download, and names the file that the hub lacks', async () => {
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const cacheFolder = join(folder, 'cache');
    await expect(Tokenizer.load('someone/fifth', { cacheFolder })).rejects.toThrow(
      /someone\/fifth: its tokenizer could not be downloaded; .*tokenizer\.json: not found \(404\)/,
    );
    await expect(Tokenizer.load('someone/tiny', { cacheFolder, revision: 'v2' })).rejects.toThrow(
      /resolve\/v2\/tokenizer\.json: not found/,
    );
    expect(await readdir(join(cacheFolder, 'someone', 'fifth'))).toEqual([]);
  });

  it('says what to do when a tokenizer is not in the cache and downloading is off', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const before = requests.length;
    await expect(Tokenizer.load('someone/other', { cacheFolder: join(folder, 'cache') })).rejects.toThrow(
      /someone\/other: its tokenizer is not in .*cache and downloading is off/,
    );
    expect(requests).toHaveLength(before);
  });

  it('says what to do when it cannot be downloaded', async () => {
    vi.stubEnv('HF_ENDPOINT', 'http://127.0.0.1:9');
    await expect(Tokenizer.load('someone/third', { cacheFolder: join(folder, 'cache') })).rejects.toThrow(
      /someone\/third: its tokenizer could not be downloaded/,
    );
  });
});
