/** Taking a reply apart: thinking, JSON, tokens. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { predictedAnswer } from '../../src/reasoning/answer.js';
import { jsonObjects } from '../../src/reasoning/looseJson.js';
import { readReply } from '../../src/reasoning/marks.js';
import { refine } from '../../src/reasoning/refine.js';

const OPTIONS = ['open the lid', 'wave at her friend', 'tie the shoe', 'drink some tea'];
const STEP = 'She kneels.';

function refined(text: string, predicted: number | null = 2): string {
  return refine(text, { options: OPTIONS, answer: 2, correct: true, predicted }).refined;
}

describe('thinking', () => {
  const guess = `${STEP} The answer is A.`;
  it.each([
    `<think>${guess}</think>C`,
    `<THINK>\n${guess}\n</THINK>\nC`,
    `<thinking mode="deep">${guess}</thinking> C`,
    `< think >${guess}</ think >C`,
    `<think>${guess}<think>So A.</think></think>C`,
    `<think>\n<think>${guess}</think>C`,
    `${guess}</think>C`,
    `${guess} </thinking>\n\nC`,
    `<think>${guess}</think> <think>So A.</think> C`,
    `C\n<think>${guess}</think>`,
    `<reasoning>${guess}</reasoning><answer>C</answer>`,
    `<thought>${guess}</thought>C`,
    `<analysis>${guess}</analysis>C`,
    `<seed:think>${guess}</seed:think>C`,
    `◁think▷${guess}◁/think▷C`,
    `[THINK]${guess}[/THINK]C`,
    `&lt;think&gt;${guess}&lt;/think&gt;C`,
    `<|START_THINKING|>${guess}<|END_THINKING|>C`,
    `<|begin_of_thought|>${guess}<|end_of_thought|>C`,
    `<|channel|>analysis<|message|>${guess}<|end|><|start|>assistant<|channel|>final<|message|>C`,
    `<think/>${STEP}\n\nC`,
    `<think>{"answer": "A"}</think>${STEP} {"answer": "C"}`,
  ])('holds no answer, and its steps are kept without a mark: %j', (text) => {
    expect(predictedAnswer(text, OPTIONS)).toBe(2);
    expect(refined(text)).toBe(STEP);
  });

  it.each([
    `<think>${guess}`,
    `${STEP} <think>The answer is C.`,
    `<think>${guess}</think>`,
    `${guess}</think>`,
  ])('that nothing follows leaves no answer: %j', (text) => {
    expect(predictedAnswer(text, OPTIONS)).toBeNull();
    expect(refined(text, null)).toBe(STEP);
  });

  it('without a closing tag does not swallow text outside of a closed one', () => {
    const { spoken } = readReply('One. <think>a</think><think>b</think> Two. <think>c');
    expect(spoken.split(/\s+/)).toEqual(['One.', 'Two.', '']);
    expect(readReply('One.</think> Two.').spoken).toBe(' Two.');
  });

  it('is not opened by a heading or by the word', () => {
    for (const text of [
      '[Reasoning] The answer is C.',
      'I think (think!) the answer is C.',
      'a < think b > C',
    ]) {
      expect(readReply(text).spoken, text).toBe(text);
    }
  });

  it('parts the sentences on both of its sides', () => {
    expect(refined(`<think>${STEP}</think>She rises. C`)).toBe(`${STEP}\n\nShe rises.`);
  });
});

it.each([
  ['She kneels.<|im_end|>', 'She kneels.'],
  ['<s>She kneels.</s>', 'She kneels.'],
  ['She kneels.<|im_end|>\n<|im_start|>assistant\nShe rises.', 'She kneels.\nShe rises.'],
  ['She kneels.<｜end▁of▁sentence｜>', 'She kneels.'],
  ['She<|vision_sep|> kneels.', 'She kneels.'],
  ['```\nShe kneels.\n```', 'She kneels.'],
])('a template’s marks go: %j', (text, prose) => {
  expect(refined(text)).toBe(prose);
});

describe('JSON', () => {
  it.each([
    `{"reasoning": "${STEP}", "answer": "C"}`,
    `{"answer": "C", "reasoning": "${STEP}"}`,
    `{\n  'reasoning': '${STEP}',\n  'answer': 'C',\n}`,
    `\`\`\`json\n{"rationale": "${STEP}", "option": 2, "confidence": 0.9}\n\`\`\``,
    `json\n{"thought": "${STEP}", "choice": "tie the shoe"}`,
    `[{"explanation": "${STEP}", "predicted_option": "(C)"}]`,
    `{"question": "Why?", "options": ["open the lid"], "answer": "C", "reasoning": "${STEP} So the answer is C."}`,
    `{"答案": "C", "推理": "${STEP}"}`,
    `{"A": "wrong", "B": "wrong", "C": "correct", "reasoning": "${STEP}"}`,
    `{"answer": "${STEP} She ties it. The answer is C."}`.replace(' She ties it.', ''),
    `{"answer": "C", "reasoning": "${STEP}`,
    `{"reasoning": "<think>${STEP} So A.</think>", "answer": "C"}`,
  ])('%j is read, and its reasoning is kept without a mark', (text) => {
    expect(predictedAnswer(text, OPTIONS)).toBe(2);
    expect(refined(text)).toBe(STEP);
  });

  it('keeps every step, one below the other, with escapes resolved', () => {
    const text =
      '{"steps": ["She \\"kneels\\".", "She\\nrises. \\u00e9"], "x": {"y": "More."}, "answer": "C"}';
    expect(refined(text)).toBe('She "kneels".\nShe\nrises. é\nMore.');
  });

  it('stays where it is none', () => {
    for (const text of ['{C, D}', '{"a"}', 'She {kneels: 1}.', '{"a": }x']) {
      expect(readReply(text).prose, text).toBe(text);
    }
  });

  it('of the last object counts', () => {
    expect(predictedAnswer('{"answer": "A"} Wait. {"answer": "C"}', OPTIONS)).toBe(2);
  });

  it('keeps a LaTeX command that nobody escaped', () => {
    expect(jsonObjects('{"answer": "\\boxed{C} \\text{x}\\n"}')[0]?.leaves[0]?.value).toBe(
      '\\boxed{C} \\text{x}\n',
    );
  });

  it('of any depth ends', () => {
    expect(jsonObjects('{"a":'.repeat(5000))).toEqual([]);
    expect(jsonObjects(`{"a": ${'['.repeat(5000)}`)).toEqual([]);
  });
});

it('for any text, the pieces are the text but for inserted white space, and the prose of prose is itself', () => {
  const bits = [
    '<think>',
    '</think>',
    '◁/think▷',
    'A b.',
    ' ',
    '\n',
    '{"a": "b',
    '"}',
    '{"answer": "C"}',
    '```',
    '</s>',
  ];
  bits.push(
    '<answer>',
    '</answer>',
    '<|im_end|>',
    '\\boxed{',
    '}',
    '**C**',
    '<|begin_of_box|>',
    '"',
    ',',
    '.',
  );
  const rng = new Rng('replies');
  for (let i = 0; i < 2000; i++) {
    const text = Array.from({ length: rng.int(12) }, () => rng.pick(bits)).join('');
    const { pieces, prose } = readReply(text);
    const plain = (of: string) => of.replace(/\s/g, '');
    expect(plain(pieces.map((piece) => piece.text).join('')), JSON.stringify(text)).toBe(plain(text));
    expect(readReply(prose).prose, JSON.stringify(text)).toBe(prose);
    expect(prose, JSON.stringify(text)).not.toMatch(/<.?think|◁|im_end|<.s>/);
  }
});
