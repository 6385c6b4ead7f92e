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
/** Options that call somebody by a letter. */
const NAMED = ['C is washing a dog.', 'C is feeding a dog.', 'C is drawing a dog.', 'C is walking a dog.'];
const WAVES = ['wave', 'wave to her mother', 'wave to her brother', 'hide'];
const LIDS = ['yes', 'no', 'it stays closed'];
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
    'options that are discussed with their letter in brackets, which chooses none of them',
    WHY,
    [
      [
        null,
        'No taxi passes (B). A long stretch (D) would look different. The guard at the gate waves flies away (C) for an instant. Her arm goes up, and she calls out.',
      ],
      [null, 'While she may stretch a little (D), her eyes follow a person. There is no fly (C).'],
      [0, 'No taxi passes (B). She smiles at someone, so she greets a friend (A).'],
      [0, 'Greeting a friend (A) is the most likely reason, and no taxi passes (B).'],
    ],
  ],
  [
    'first impressions, and what is not so',
    WHY,
    [
      [null, 'My first guess was D, since both arms go up. There is no cloud.'],
      [0, 'My initial impression was (D). There is a wave, however: (A) is what she does.'],
      [3, 'My first choice is D.'],
      [null, 'B would be right had there been a taxi in the street.'],
      [null, 'B can be struck off, as the road is chosen for walking only.'],
      [null, 'Her arm remains up, contrary to D.'],
      [null, 'The arm could lead one to answer D.'],
    ],
  ],
  [
    'letters that are denied as a list, and the one that is left',
    WHY,
    [
      [null, 'None of B, C, E makes sense here.'],
      [3, 'It is certainly not A, B, C or E.'],
      [4, 'A, C and D are out. B is ruled out as no car comes.'],
      [null, 'A and B are out.'],
    ],
  ],
  [
    'what would be expected, one reading among others, a question behind a header, and a corrected answer',
    WHY,
    [
      [null, 'D would be the usual reason, yet here both eyes follow a car.'],
      [null, 'One might expect that she stretches (D). Her eyes follow a car.'],
      [null, 'The open mouth could confuse one into choosing D.'],
      [null, 'One interpretation is to stretch, as people do. Later her eyes follow a car and she runs.'],
      [null, 'Answer: to stretch? Let me look again. Her eyes follow a car.'],
      [1, 'Answer: (D). On to the frames: a car halts. Corrected answer: (B).'],
      [null, 'It seems to be D. Her mouth is closed, though; I cannot give an answer.'],
    ],
  ],
  [
    'probabilities',
    WHY,
    [
      [1, 'A 15%, B 60%, C 25%'],
      [3, 'I am 70% sure of D; A would get 20%.'],
      [2, 'A .3, B .3, C .4'],
      [null, 'A 50%, B 50%'],
      [null, 'About 40% of the frame shows her arm.'],
    ],
  ],
  [
    'an answer that is taken back',
    WHY,
    [
      [null, 'The answer is B. I take that back, there is no taxi.'],
      [null, 'I think it is D. But she stands still, so it is not D.'],
      [3, 'The answer is B. Scratch that, it is D.'],
    ],
  ],
  [
    'a letter with the words of another option',
    WHY,
    [
      [null, 'The answer is B: to swat a fly.'],
      [1, 'The answer is B: to stop a taxi.'],
      [1, 'The answer is B: she waves at a car.'],
    ],
  ],
  [
    'a letter that the options use as a name',
    NAMED,
    [
      [null, 'C holds a brush and a pencil. The aim of C, then, is a portrait.'],
      [2, 'The answer is C.'],
      [3, 'C takes the leash, so option D fits best.'],
    ],
  ],
  [
    'an option that is a part of others',
    WAVES,
    [
      [null, 'She waves towards both of them as they leave.'],
      [0, 'She waves.'],
    ],
  ],
  [
    'yes and no that are taken back',
    LIDS,
    [
      [0, 'No, wait: the lid moves at the end. So yes.'],
      [null, 'No, wait: the lid moves.'],
    ],
  ],
  [
    'what an option suggests, closing words, places and small letters',
    WHY,
    [
      [
        null,
        'Option A suggests that she greets a friend. Option E suggests that she is pointing at the sky. Looking at her hand, we',
      ],
      [3, 'All in all (D).'],
      [3, 'On balance D explains it.'],
      [1, 'Hence the second.'],
      [3, 'd, because she yawns'],
      [
        null,
        'Analysis of each option:\n- A. to greet a friend: nobody is there.\n- B. to stop a taxi: a taxi halts.',
      ],
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
