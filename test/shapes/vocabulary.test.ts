/** The vocabulary of the shapes world: the tokenizer that ships with its base model. */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { optionLetter } from '../../src/data/sample.js';
import { QuestionBalancer } from '../../src/shapes/balance.js';
import { describeClip, describeFrame } from '../../src/shapes/captions.js';
import { factsOf } from '../../src/shapes/language.js';
import { lookUp } from '../../src/shapes/questions.js';
import { reasoningSteps } from '../../src/shapes/reasoning.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { composeAnswer } from '../../src/shapes/teacherText.js';
import { qaPrompt } from '../../src/text/prompts.js';
import { Tokenizer } from '../../src/text/tokenizer.js';

const folder = new URL('../../weights/shapes/', import.meta.url);
let tokenizer: Tokenizer;

beforeAll(async () => {
  tokenizer = await Tokenizer.load(folder.pathname);
});

/** Every kind of text the world can produce: captions, prompts with questions, answers of the teacher. */
function* texts(): Generator<string> {
  const balancer = new QuestionBalancer('vocabulary-test');
  for (let i = 0; i < 200; i++) {
    const clip = simulateClip(`vocabulary-test/${i}`);
    const facts = factsOf(clip);
    yield describeClip(facts);
    yield describeFrame(facts, i % 4);
    for (const { question, options, answer } of balancer.choose(clip, 4)) {
      yield qaPrompt({ question: `${question}?`, options: options.map((option) => `${option}.`) });
      const rng = new Rng(`${i}/${question}`);
      const posed = lookUp(facts, question)!;
      for (const chosen of [answer, (answer + 1) % 5]) {
        const steps = reasoningSteps(facts, posed, options, options[chosen]!, {
          frameOf: (beat) => beat + 1,
          rng,
        });
        yield composeAnswer(steps, options, chosen, rng);
      }
    }
  }
}

describe('the shapes tokenizer', () => {
  it('has T5 specials and a size that is a multiple of 64, with rows to spare', async () => {
    const file = JSON.parse(await readFile(new URL('tokenizer.json', folder), 'utf8'));
    const pieces = (file.model.vocab as [string, number][]).map(([piece]) => piece);
    expect(pieces.slice(0, 3)).toEqual(['<pad>', '</s>', '<unk>']);
    expect([tokenizer.padId, tokenizer.eosId, tokenizer.unkId]).toEqual([0, 1, 2]);
    expect(pieces.length % 64).toBe(0);
    expect(tokenizer.vocabSize).toBe(pieces.length);
    expect(pieces.filter((piece) => piece.startsWith('<extra_id_')).length).toBeGreaterThanOrEqual(32);
    expect(new Set(pieces).size).toBe(pieces.length);
  });

  it('writes "Option A" to "Option E" as two tokens, and frame prefixes as three', () => {
    const ids = Array.from({ length: 5 }, (_, i) =>
      tokenizer.encode(`Option ${optionLetter(i)}`, { addEos: false }),
    );
    for (const pair of ids) expect(pair).toEqual([tokenizer.answerStart()[0], pair[1]]);
    expect([...tokenizer.letterIds(5)]).toEqual(ids.map((pair) => pair[1]));
    expect(new Set(tokenizer.letterIds(5)).size).toBe(5);
    for (let frame = 1; frame <= 9; frame++) {
      expect(tokenizer.encode(`Frame ${frame}: `, { addEos: false })).toHaveLength(3);
    }
  });

  it('encodes every text of the world with one token a word or mark, none unknown, and back', () => {
    let count = 0;
    for (const text of texts()) {
      const ids = tokenizer.encode(text, { addEos: false });
      const words = text.match(/###\w+|\*\*\w+\*\*|\w+|[^\w\s]/g)!;
      expect({ text, tokens: ids.length }).toEqual({ text, tokens: words.length });
      expect(ids.includes(tokenizer.unkId)).toBe(false);
      expect(tokenizer.decode(ids)).toBe(text.replace(/\s+/g, ' '));
      count++;
    }
    expect(count).toBeGreaterThan(2700);
  });

  it('encodes any other ASCII text by its characters, and back', () => {
    const rng = new Rng('ascii');
    for (let i = 0; i < 200; i++) {
      const characters = Array.from({ length: 1 + rng.int(40) }, () => String.fromCharCode(33 + rng.int(94)));
      const text = characters.join('').replaceAll('<', '(');
      const ids = tokenizer.encode(text, { addEos: false });
      expect(ids.includes(tokenizer.unkId)).toBe(false);
      expect(tokenizer.decode(ids)).toBe(text);
    }
    expect(tokenizer.encode('zebra', { addEos: false })).toHaveLength(6);
  });
});
