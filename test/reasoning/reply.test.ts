/** Streamed replies of nearly OpenAI-compatible servers. */
import { describe, expect, it } from 'vitest';
import { ReplyReader, withSteps } from '../../src/reasoning/reply.js';

function read(...events: unknown[]) {
  const reader = new ReplyReader();
  for (const event of events) reader.add(event);
  return reader.first();
}
const delta = (value: unknown, more: object = {}) => ({
  choices: [{ index: 0, delta: value, finish_reason: null, ...more }],
});
const text = (words: string) => ({ type: 'text', text: words });

describe('content', () => {
  it.each<[string, unknown[], string]>([
    ['texts', ['He ', 'runs', ''], 'He runs'],
    ['lists of parts', [[text('He ')], [text('ru'), text('ns')]], 'He runs'],
    ['lists of texts', [['He ', 'runs']], 'He runs'],
    [
      'parts of the Responses API',
      [[{ type: 'output_text', text: 'He ' }], [{ type: 'output_text', text: 'runs' }]],
      'He runs',
    ],
    ['parts with a value', [[{ type: 'text', text: { value: 'He runs', annotations: [] } }]], 'He runs'],
    ['a part without a list or a type', [{ text: 'He runs' }], 'He runs'],
    ['both forms in turn', ['He ', [text('runs')], null, []], 'He runs'],
    [
      'parts of other types beside it',
      [[text('He runs'), { type: 'image_url', image_url: { url: 'x' } }, null, 7]],
      'He runs',
    ],
  ])('comes as %s', (_, contents, expected) => {
    expect(read(...contents.map((content) => delta({ content })))).toMatchObject({
      content: expected,
      steps: '',
    });
  });
});

describe('thinking', () => {
  it.each<[string, unknown[]]>([
    ['reasoning_content', [{ reasoning_content: 'He ' }, { reasoning_content: 'bends' }]],
    [
      'reasoning',
      [
        { reasoning: 'He ', content: null },
        { reasoning: 'bends', content: '' },
      ],
    ],
    [
      'reasoning_details',
      [
        { reasoning_details: [{ type: 'reasoning.text', text: 'He ' }] },
        { reasoning_details: [{ type: 'reasoning.text', text: 'bends' }] },
      ],
    ],
    [
      'a summary',
      [
        {
          reasoning_details: [
            { type: 'reasoning.summary', summary: 'He bends' },
            { type: 'reasoning.encrypted', data: 'x' },
          ],
        },
      ],
    ],
    ['thinking', [{ thinking: 'He ' }, { thinking: 'bends' }]],
    ['thinking_blocks', [{ thinking_blocks: [{ type: 'thinking', thinking: 'He bends', signature: 'x' }] }]],
    [
      'parts of type thinking',
      [
        { content: [{ type: 'thinking', thinking: [text('He ')] }] },
        { content: [{ type: 'thinking', thinking: 'bends' }] },
      ],
    ],
    [
      'parts of type reasoning',
      [
        {
          content: [
            { type: 'reasoning', text: 'He bends' },
            { type: 'redacted_thinking', data: 'x' },
          ],
        },
      ],
    ],
    [
      'two names at once',
      [
        { reasoning: 'He ', reasoning_content: 'He ' },
        { reasoning: 'bends', reasoning_content: 'bends' },
      ],
    ],
    [
      'one name, and whole under another at the end',
      [{ reasoning: 'He bends' }, { reasoning_details: [{ text: 'He bends' }] }],
    ],
    ['an object', [{ reasoning: { content: 'He bends', effort: null } }]],
  ])('comes as %s and is kept apart', (_, deltas) => {
    const events = [...deltas, { content: 'C' }].map((value) => delta(value));
    expect(read(...events)).toMatchObject({ steps: 'He bends', content: 'C' });
  });

  it('in several pieces of one event becomes lines', () => {
    const reasoning_details = [{ summary: 'He bends.' }, { summary: 'He runs.' }];
    expect(read(delta({ reasoning_details }))?.steps).toBe('He bends.\nHe runs.');
  });

  it.each([
    ['He bends. ', '\n\nC', '<think>\nHe bends.\n</think>\nC'],
    ['<think>He bends.</think>', 'C', '<think>\nHe bends.\n</think>\nC'],
    [' \n', ' C', ' C'],
    ['', 'C\n', 'C\n'],
    ['He bends.', '<think>He bends.</think>C', '<think>He bends.</think>C'],
  ])('%j and %j are written %j', (steps, content, expected) => {
    expect(withSteps({ steps, content })).toBe(expected);
  });
});

describe('choices', () => {
  const choice = (index: number | undefined, content: string, finish_reason: string | null = null) => ({
    ...(index === undefined ? {} : { index }),
    delta: { content },
    finish_reason,
  });
  it.each<[string, unknown[][]]>([
    [
      'in turn',
      [[choice(0, 'He ')], [choice(1, 'She ')], [choice(0, 'runs', 'stop')], [choice(1, 'sits', 'length')]],
    ],
    [
      'the second first',
      [[choice(1, 'She ')], [choice(0, 'He ')], [choice(1, 'sits', 'error')], [choice(0, 'runs', 'stop')]],
    ],
    ['in one event', [[choice(1, 'She sits'), choice(0, 'He runs', 'stop')]]],
    [
      'without an index',
      [[choice(undefined, 'He '), choice(undefined, 'She ')], [choice(undefined, 'runs', 'stop')]],
    ],
    ['counted from 1', [[choice(2, 'She sits')], [choice(1, 'He runs', 'stop')]]],
  ])('are not mixed: %s', (_, events) => {
    expect(read(...events.map((choices) => ({ choices })))).toMatchObject({
      content: 'He runs',
      finish: 'stop',
    });
  });

  it('end with the last reason that is one', () => {
    const ends = ['', 'stop', '', null];
    expect(read(...ends.map((finish_reason) => delta({ content: 'x' }, { finish_reason })))?.finish).toBe(
      'stop',
    );
    expect(read(delta({}, { finish_reason: '' }), delta({}))?.finish).toBeUndefined();
    expect(read(delta({}, { finish_reason: 'stop' }), delta({}, { finish_reason: 'error' }))?.finish).toBe(
      'error',
    );
  });

  it.each([[[]], [[{ choices: [] }]], [[null, 7, 'x', [1], {}]], [[{ choices: [null] }]], [[{ usage: {} }]]])(
    'are absent from %j',
    (events) => expect(read(...events)).toBeUndefined(),
  );
});

it.each([
  [{ object: 'error', message: 'gpu\n gone' }, 'gpu gone'],
  [{ detail: 'gpu gone' }, 'gpu gone'],
  [{ choices: null, error: { message: 'gpu gone' } }, 'gpu gone'],
  [[{ error: { code: 503, message: 'gpu gone' } }], 'gpu gone'],
  [
    { choices: [{ index: 0, error: { code: 502, message: 'gpu gone' }, finish_reason: 'error' }] },
    'gpu gone',
  ],
  [{ choices: [{ index: 0, delta: { content: 'He' }, error: { code: 502 } }] }, '{"code":502}'],
])('throws the words of %j', (event, words) => {
  expect(() => read(delta({ content: 'He ' }), event)).toThrow(`error in the stream: ${words}`);
});
