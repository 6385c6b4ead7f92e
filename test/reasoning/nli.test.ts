/** Relations between texts by an ONNX model. */
import { mkdtempSync, rmSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { type Nli, openNli, type Pair, remembering } from '../../src/reasoning/nli.js';
import { writeTinyNli } from './tinyOnnx.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nli-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const pair = (premise: string, hypothesis = 'it'): Pair => ({ premise, hypothesis });

describe('a model in a folder', () => {
  it('gives the probabilities of its labels, whatever else is in the batch', async () => {
    await writeTinyNli(folder, { yes: [0, 2, 0], no: [3, 0, 0], it: [0, 0, 1] });
    const nli = await openNli(folder);
    const found = await nli([pair('yes'), pair('no and some more words'), pair('yes yes', 'no')]);
    const softmax = (logits: number[]) =>
      logits.map((x) => Math.exp(x) / logits.reduce((s, y) => s + Math.exp(y), 0));
    [
      [0, 2, 1],
      [3, 0, 1],
      [3, 4, 0],
    ].forEach((logits, i) => {
      const [contradicts, entails] = softmax(logits);
      expect(found[i]!.entails).toBeCloseTo(entails!, 5);
      expect(found[i]!.contradicts).toBeCloseTo(contradicts!, 5);
    });
  });

  it('is refused where a file is missing, or its labels are of another task', async () => {
    await writeTinyNli(folder, {}, ['POSITIVE', 'NEGATIVE']);
    await expect(openNli(folder)).rejects.toThrow(
      /config\.json: id2label: expected the labels entailment.*positive/,
    );
    await unlink(join(folder, 'onnx/model.onnx'));
    await expect(openNli(folder)).rejects.toThrow(
      new DataError(`${folder}: expected onnx/model_quantized.onnx or onnx/model.onnx`),
    );
    await unlink(join(folder, 'tokenizer.json'));
    await expect(openNli(folder)).rejects.toThrow(
      new DataError(`${join(folder, 'tokenizer.json')}: no such file`),
    );
    await expect(openNli(join(folder, 'absent'))).rejects.toThrow(UsageError);
  });
});

it('a pair is asked about once, in batches', async () => {
  const asked: number[] = [];
  const nli: Nli = async (pairs) => {
    asked.push(pairs.length);
    return pairs.map(({ premise }) => ({ entails: premise.length, contradicts: 0 }));
  };
  const remembered = remembering(nli, 2);
  const first = [pair('a'), pair('bb'), pair('a'), pair('ccc')];
  expect((await remembered(first)).map(({ entails }) => entails)).toEqual([1, 2, 1, 3]);
  expect((await remembered([...first, pair('dddd')])).map(({ entails }) => entails)).toEqual([1, 2, 1, 3, 4]);
  expect(asked).toEqual([2, 1, 1]);
});
