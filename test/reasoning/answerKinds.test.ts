/** Kinds of replies by which unread ones were mended: one rule a group, each with what it must not read. */
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/reasoning/answer.js';

const CART = ['push the cart', 'pull the cart', 'lift the cart', 'paint the cart', 'stop the cart'];
const MOODS = ['He is surprised', 'He is angry', 'He is bored', 'He is delighted', 'He is sleepy'];
const OPENS = ['Yes, he opens it', 'No, he does not open it', 'He only touches it', 'no reaction'];
const ROOMS = ['in a kitchen', 'in a garden', 'in a classroom', 'on a beach', 'in a forest'];
const WHY = ['to greet a friend', 'to stop a taxi', 'to swat a fly', 'to stretch', 'to point at the sky'];
const DEEDS = [
  'he picks up the remote',
  'he turns off the TV',
  'he lies down on the bed',
  'he sat on the sofa',
];
const COUNTS = ['two', 'three', 'four', 'five', 'six'];

const KINDS: [string, string[], [number | null, string][]][] = [
  [
    'a pronoun for the words that the options share',
    CART,
    [
      [0, "He's pushing it."],
      [0, "He doesn't pull it, he pushes it."],
      [1, 'She does not lift it; she pulls it.'],
      [null, 'He looks at it.'],
    ],
  ],
  [
    'an option with other small words, quoted or alone before a reason',
    MOODS,
    [
      [3, 'His grin is wide. Among the candidates, "He is delighted" best reflects this.'],
      [4, 'Sleepy. He can barely keep his eyes open.'],
      [null, 'Is he sleepy?'],
    ],
  ],
  [
    'yes and no before a clause, and contractions',
    OPENS,
    [
      [0, 'Yes. In frame 5 the lid is up.'],
      [1, 'No.'],
      [1, "(B) No, he doesn't open it"],
      [null, 'The lid is red.'],
    ],
  ],
  [
    'one thing and not another',
    ROOMS,
    [
      [4, "They are surrounded by tall trees. It's a forest, not a garden."],
      [null, "It's not a garden."],
    ],
  ],
  [
    'a letter behind a colon that ends the text',
    WHY,
    [
      [0, 'The answer would have been B if a taxi had come, but she greets somebody: A.'],
      [4, 'The sign is read by him as he points: E.'],
      [null, 'The label on the box reads: B'],
    ],
  ],
  [
    'words behind a letter, choices behind "and", questions of a guess',
    WHY,
    [
      [4, "Let me reconsider. The eyes look upward. So it's E after all."],
      [1, "She is alone. Thus I'd rule out A and settle on B."],
      [1, "Well... I'd guess B?"],
      [3, 'Overall, stretching is the explanation that fits.'],
    ],
  ],
  [
    'the number of an option, where no option is a number',
    MOODS,
    [
      [3, 'The best option is 4.'],
      [null, 'The best option is 4.5 m away.'],
    ],
  ],
  [
    'the one item of a list that is called right',
    WHY,
    [
      [
        3,
        'A - nobody is there.\nB - no taxi comes.\nC - no fly.\nD - she yawns. This is the correct one.\nE - no sky.',
      ],
      [null, 'A - nobody is there.\nB - no taxi comes.\nC - no fly.\nD - she yawns.\nE - no sky.'],
    ],
  ],
  [
    'a count at the end of its parts',
    COUNTS,
    [[2, 'One dog enters in frame 1, another one in frame 2, and two more in frame 4, so four dogs in all.']],
  ],
  [
    'clauses of time, which an answer does not stand in',
    DEEDS,
    [
      [2, 'Having turned off the TV, he lies down on the bed.'],
      [null, 'The person holds a book while sitting on the sofa.'],
    ],
  ],
  [
    'a transcript and a label in Chinese',
    DEEDS,
    [
      [1, 'Q: What does the man do?\nA: He turns off the TV.'],
      [3, '选项D：他坐在沙发上。'],
    ],
  ],
];

describe.each(KINDS)('%s', (_, options, replies) => {
  it.each(replies)('%j: %j', (option, text) => expect(readText(text, options).option).toBe(option));
});

it.each([
  [CART, 'He pushes and then stops the cart, so both A and E hold.'],
  [CART, 'B. pull the cart, E. stop the cart'],
])('several options stay several: %j %j', (options, text) =>
  expect(readText(text, options)).toMatchObject({ option: null, rule: 'several' }),
);

it('refuses what it is not possible to say, and repeats no answer in a list of all options', () => {
  expect(readText("There is no sound, so it isn't possible to say.", WHY).rule).toBe('refusal');
  const all = WHY.map((text, i) => `${'ABCDE'[i]}. ${text}`).join(' ');
  expect(readText(all, WHY).rule).toBe('silent');
});
