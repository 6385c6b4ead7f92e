/** Lengths of samples for length buckets. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { sampleLengths } from '../../src/batches/lengths.js';
import { qaPrompt } from '../../src/text/prompts.js';
import { Tokenizer } from '../../src/text/tokenizer.js';
import { randomSample } from '../text/support.js';
import { writeTinyTokenizer } from '../text/tinyTokenizer.js';

it('are tokens of reasoning and prompt with </s>, truncated to their limits; none without reasoning', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'reasvqa-lengths-'));
  try {
    await writeTinyTokenizer(folder);
    const tokenizer = await Tokenizer.load(folder);
    const count = (text: string) => tokenizer.encode(text, { addEos: true }).length;
    const base = { question: 'red red', options: ['red', 'blue'], answer: 0 };
    const samples = ['red', 'red red red', Array(50).fill('red').join(' '), ' ', undefined].map(
      (reasoning, i) => {
        const { reasoning: _, ...sample } = randomSample(new Rng('lengths'), { ...base, id: String(i) });
        return reasoning === undefined ? sample : { ...sample, reasoning };
      },
    );
    const template = '{question} {options}';
    const prompt = count(qaPrompt(samples[0]!, template));
    const limits = { template, maxPrompt: 4096, maxReasoning: 20 };
    expect(sampleLengths(samples, tokenizer, limits)).toEqual([
      [count('red'), prompt],
      [count('red red red'), prompt],
      [20, prompt],
      [0, prompt],
      [0, prompt],
    ]);
    const short = sampleLengths(samples, tokenizer, { ...limits, maxPrompt: 5 });
    expect(short.map(([, length]) => length)).toEqual([5, 5, 5, 5, 5]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
