/** Refinement of a file. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataError, UsageError } from '../../src/base/errors.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { gradeFile } from '../../src/reasoning/gradeFile.js';
import { DrawnRows } from '../../src/reasoning/leak/drawn.js';
import { refineFile } from '../../src/reasoning/refineFile.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

let folder: string;
let input: string;
let output: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'refine-'));
  input = join(folder, 'raw.jsonl');
  output = join(folder, 'refined.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const ROW = {
  id: 'a',
  question: 'why?',
  options: ['the red ball', 'the cat'],
  reasoning: 'A man kicks the red ball.\n###Answer: B',
  predicted: 1,
  answer: 0,
  correct: false,
};
const write = (...rows: object[]) =>
  writeFileSync(input, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
const rows = () =>
  readFileSync(output, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

it('refines every row and counts', async () => {
  write(
    ROW,
    { ...ROW, id: 'b', reasoning: 'A cat sits. ###Answer: A', predicted: 0, correct: true },
    { ...ROW, id: 'c', reasoning: '###Answer: A', predicted: 0, correct: true },
    { ...ROW, id: 'd', reasoning: 'Hm.', predicted: null, correct: false },
    { ...ROW, id: 'e', reasoning: 'Hm.', predicted: null, answer: null, correct: null },
  );
  expect(await refineFile({ input, output })).toEqual({
    samples: 5,
    kept: 4,
    empty: 1,
    correct: 2,
    incorrect: 1,
    unknown: 0,
    ungradable: 2,
    teacherAccuracy: 0.5,
    removed: { '###Answer': 3, 'ground truth': 1 },
    meanCharacters: { before: (38 + 24 + 12 + 3 + 3) / 5, after: (13 + 11 + 0 + 3 + 3) / 5 },
  });
  expect(rows()).toEqual([
    { id: 'a', reasoning: 'A man kicks .', correct: false, removed: ['the red ball', '###Answer: B'] },
    { id: 'b', reasoning: 'A cat sits.', correct: true, removed: ['###Answer: A'] },
    { id: 'd', reasoning: 'Hm.', correct: null, removed: [] },
    { id: 'e', reasoning: 'Hm.', correct: null, removed: [] },
  ]);
});

it('reads a text again in which no answer had been found, and keeps the truth’s words where it was right', async () => {
  const row = { ...ROW, predicted: null, answer: 0, correct: false };
  write(
    { ...row, reasoning: 'A man kicks the red ball.\n答案是A。' },
    { ...row, id: 'b', reasoning: 'A man kicks the red ball.\n答案是B。' },
    { ...row, id: 'c', reasoning: 'A man kicks.\n答案是A。', answer: null, correct: null },
  );
  await refineFile({ input, output });
  expect(rows().map(({ reasoning }) => reasoning)).toEqual([
    'A man kicks the red ball.',
    'A man kicks .',
    'A man kicks.',
  ]);
});

it('passes the original on when asked', async () => {
  write(ROW);
  await refineFile({ input, output, policy: 'original' });
  expect(rows()).toEqual([{ id: 'a', reasoning: ROW.reasoning, correct: false, removed: [] }]);
});

describe('a malformed line', () => {
  it.each([
    ['{"id": "x"', /:2: not JSON/],
    ['7', /:2: expected a JSON object, found a number/],
    [{ ...ROW, id: 7 }, /:2: field "id": expected text, found 7/],
    [{ ...ROW, id: '' }, /:2: field "id": expected text that is not empty/],
    [{ ...ROW, id: 'a' }, /:2: id "a" appears twice, first in line 1/],
    [{ ...ROW, id: 'z', reasoning: undefined }, /:2: field "reasoning": expected text, found nothing/],
    [
      { ...ROW, id: 'z', options: ['x'] },
      /:2: field "options": expected a list of at least 2 texts, found \["x"\]/,
    ],
    [
      { ...ROW, id: 'z', answer: 2 },
      /:2: field "answer": expected null or a whole number from 0 to 1, found 2/,
    ],
    [{ ...ROW, id: 'z', predicted: 0.5 }, /:2: field "predicted": expected null or a whole number/],
    [{ ...ROW, id: 'z', correct: 'yes' }, /:2: field "correct": expected true, false or null, found "yes"/],
    [
      { ...ROW, id: 'z', correct: true },
      /:2: field "correct": expected false \(predicted 1, answer 0\), found true/,
    ],
  ])('%j is named, and the old output stays', async (bad, message) => {
    writeFileSync(output, 'old');
    writeFileSync(input, `${JSON.stringify(ROW)}\n${typeof bad === 'string' ? bad : JSON.stringify(bad)}\n`);
    const error = await refineFile({ input, output }).catch((caught) => caught);
    expect(error).toBeInstanceOf(DataError);
    expect(error.message.startsWith(input)).toBe(true);
    expect(error.message).toMatch(message);
    expect(readFileSync(output, 'utf8')).toBe('old');
    expect(readdirSync(folder).sort()).toEqual(['raw.jsonl', 'refined.jsonl']);
  });
});

it.each(['', '\n\n'])('an input without a line (%j) is an error, and the old output stays', async (text) => {
  writeFileSync(input, text);
  writeFileSync(output, 'old');
  await expect(refineFile({ input, output })).rejects.toThrow(
    new DataError(`${input}:1: expected at least one line of generated reasoning, found none`),
  );
  expect(readFileSync(output, 'utf8')).toBe('old');
});

it.each([undefined, 'agreement'])(
  'a last line that is cut off is left out, and said so (%s)',
  async (policy) => {
    const notices: string[] = [];
    const line = `${JSON.stringify(ROW)}\n`;
    writeFileSync(input, `${policy ? line.repeat(2) : line}{"id": "b", "opt`);
    const stats = await refineFile({
      ...{ input, output, onNotice: (notice) => notices.push(notice) },
      ...(policy && { policy }),
    });
    expect(stats.samples).toBe(1);
    expect(notices[0]).toBe(
      `${input}:${policy ? 3 : 2}: the last line is cut off and left out; is the file still being written?`,
    );
    writeFileSync(input, line.repeat(policy ? 2 : 1).trimEnd());
    expect(await refineFile({ input, output, ...(policy && { policy }) })).toMatchObject({ samples: 1 });
  },
);

it('an input that cannot be read is blamed itself', async () => {
  await expect(refineFile({ input: folder, output })).rejects.toThrow(
    new RegExp(`^${folder}: cannot be read \\(EISDIR`),
  );
});

it.each(['raw.jsonl', 'link.jsonl'])('never writes over its input (%s)', async (name) => {
  write(ROW);
  symlinkSync(input, join(folder, 'link.jsonl'));
  const before = readFileSync(input, 'utf8');
  await expect(refineFile({ input, output: join(folder, name) })).rejects.toThrow(UsageError);
  expect(readFileSync(input, 'utf8')).toBe(before);
});

describe('a file in whatever state', () => {
  const texts = [
    ...[
      '',
      ' \n ',
      'She kneels. The answer is B.',
      'Käse 猫 🐈‍⬛ runs.\r\n\r\n###Answer: A',
      '###Answer: B',
      '\u0000\u202e',
    ],
    ...['A cat waits. '.repeat(8000), 'x'.repeat(100_000)],
  ];
  const whole = texts.map((reasoning, i) =>
    JSON.stringify({ id: `q${i}`, options: ROW.options, reasoning, answer: i % 2 }),
  );
  const refined = async (bytes: string | Buffer) => {
    writeFileSync(input, bytes);
    const { samples } = await refineFile({ input, output });
    return { samples, text: readFileSync(output, 'utf8') };
  };

  it('is read alike with line ends of Windows, a byte order mark, empty lines and no last line end', async () => {
    const plain = await refined(`${whole.join('\n')}\n`);
    expect(plain.samples).toBe(texts.length);
    expect(rows().map(({ id }) => id)).toEqual(['q2', 'q3', 'q6', 'q7']);
    for (const other of [
      `${whole.join('\r\n')}\r\n`,
      `\ufeff${whole.join('\n')}\n`,
      `\ufeff\r\n${whole.join('\r\n\r\n')}`,
      `\n${whole.join('\n \n')}`,
    ])
      expect(await refined(other)).toEqual(plain);
  });

  it('that is cut anywhere loses the line that is cut, and no other', async () => {
    const head = `${whole[2]}\n`;
    const last = Buffer.from(`${whole[3]}\n`);
    const before = await refined(head);
    const both = await refined(Buffer.concat([Buffer.from(head), last]));
    for (let cut = 0; cut <= last.length; cut++)
      expect(await refined(Buffer.concat([Buffer.from(head), last.subarray(0, cut)])), `${cut}`).toEqual(
        cut < last.length - 1 ? before : both,
      );
  });
});

const real = sharedPath('data/reasoning/star_video_llava_vot_results.jsonl');
describeWithShared(
  '617 texts of Video-LLaVA on STAR',
  ['data/reasoning/star_video_llava_vot_results.jsonl'],
  () => {
    it('are refined sanely', async () => {
      const lines = readFileSync(real as string, 'utf8')
        .trim()
        .split('\n');
      const answered: string[] = [];
      const unasked: string[] = [];
      const converted = lines.map((line) => {
        const row = JSON.parse(line);
        const options: string[] = row.choices.flat();
        const spoken: string | null = row.raw_response?.[0] ?? null;
        // Where the model gave no answer the file holds a placeholder index, which is not always out of range.
        const inRange = row.pred_ans_idx >= 0 && row.pred_ans_idx < options.length;
        const predicted = inRange ? row.pred_ans_idx : null;
        const steps = `${row.object_descriptions}\n\n${row.action_analysis}`;
        if (predictedAnswer(steps, options) !== null) unasked.push(row.question_id);
        const closing = spoken === null ? '' : `###Answer: ${spoken}`;
        if (spoken !== null && predictedAnswer(`${row.action_analysis}\n${closing}`, options) === predicted) {
          answered.push(row.question_id);
        }
        return {
          id: row.question_id,
          question: row.question,
          options,
          reasoning: `${steps}\n\n${closing}`,
          predicted,
          answer: row.true_index,
          correct: predicted === row.true_index,
        };
      });
      expect(answered).toHaveLength(566);
      // "The answer is the refrigerator", "it is likely that she would open the laptop next", "it can be inferred that the
      // woman is likely preparing to eat the sandwich"; other languages’ words add none.
      expect(unasked).toHaveLength(3);
      write(...converted);
      const stats = await refineFile({ input, output });
      expect(stats).toMatchObject({
        samples: 617,
        correct: 206,
        incorrect: 394,
        unknown: 0,
        empty: 0,
        ungradable: 17,
      });
      expect(stats.removed).toMatchObject({ '###Answer': 566, 'Based on these observations': 24 });
      expect(stats.removed['ground truth']).toBeGreaterThan(100);
      expect(stats.removed['states an answer'] ?? 0).toBeLessThan(10);
      expect(stats.meanCharacters.after).toBeGreaterThan(0.9 * stats.meanCharacters.before);
      expect(stats.teacherAccuracy).toBeCloseTo(206 / 617);
      const patterns =
        /###|\*\*(?:answer|conclusion)\*\*|the correct answer|based on these observations|given these observations and the context/i;
      for (const row of rows()) expect(row.reasoning).not.toMatch(patterns);
    });
  },
);

describe('rows from anywhere', () => {
  const foreign = {
    question_id: 7,
    question: 'why?',
    choices: ['A. a dog', 'B. a cat'],
    response: 'It barks. The answer is A.',
    answer: 'B',
  };
  it('are read as grade reads them', async () => {
    write(foreign, { qid: 'x', a0: 'dog', a1: 'cat', text: 'It purrs. Answer: B' });
    const stats = await refineFile({ input, output });
    expect(stats).toMatchObject({ samples: 2, incorrect: 1, unknown: 1, ungradable: 0 });
    expect(rows()).toMatchObject([
      { id: '7', reasoning: 'It barks.', correct: false },
      { id: 'x', reasoning: 'It purrs.', correct: null },
    ]);
  });
  it.each([
    [{ id: 'a', reasoning: 'x', correct: true, removed: [] }, 'reasvqa refine'],
    [{ id: 'a', predicted: 1, stated: 'line: B', correct: true }, 'reasvqa reasoning grade'],
  ])('that our own commands made of others are called so: %j', async (row, command) => {
    write(row);
    const expected = `${input}:1: a line of \`${command}\`, which has no options; name the file that it was made from`;
    await expect(gradeFile({ input, output })).rejects.toThrow(new DataError(expected));
    if ('removed' in row)
      await expect(refineFile({ input, output })).rejects.toThrow(new DataError(expected));
  });
  it('without options or an id are named by their line', async () => {
    write({ ...foreign, choices: ['one'] });
    await expect(refineFile({ input, output })).rejects.toThrow(/:1: field "choices": expected the texts/);
    write({ ...foreign, question_id: null });
    await expect(refineFile({ input, output })).rejects.toThrow(/:1: no id/);
  });
});

describe('the leak beside a refinement', () => {
  const texts = Array.from({ length: 40 }, (_, i) => ({
    id: `v${i}_0`,
    question: 'why?',
    options: ['a dog', 'a cat', 'a cow', 'a hen'],
    reasoning: `Something moves. The answer is ${'ABCD'[i % 4]}.`,
    predicted: i % 4,
    answer: 0,
    correct: i % 4 === 0,
  }));
  it('is all before, chance after, and measured only when asked for', async () => {
    write(...texts);
    expect((await refineFile({ input, output })).leak).toBeUndefined();
    const { leak } = await refineFile({ input, output, leak: true });
    expect(leak).toMatchObject({ rows: 40, chance: 0.25 });
    expect(leak!.before.teacher).toMatchObject({ rate: 1, questions: 40 });
    expect(leak!.before.truth).toMatchObject({ rate: 0.25 });
    expect(leak!.after.teacher!.rate).toBeLessThan(0.6);
    expect(leak!.after.teacher!.low).toBeLessThan(leak!.after.teacher!.high);
  });
  it('is the same again, and of many rows is that of rows drawn from all of them', () => {
    const measured = [0, 1].map(() => {
      const drawn = new DrawnRows(10);
      for (const row of texts) drawn.add(row, 'Something moves.');
      return drawn.measure();
    });
    expect(measured[0]).toEqual(measured[1]);
    expect(measured[0]).toMatchObject({ rows: 10, before: { teacher: { rate: 1, questions: 10 } } });
    expect(new DrawnRows().measure()).toBeNull();
  });
});
