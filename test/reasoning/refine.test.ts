/** Refinement of single texts. */
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { Rng } from '../../src/base/random.js';
import { GROUND_TRUTH, PAPER_PATTERNS, patternsFrom, WIDE_PATTERNS } from '../../src/reasoning/patterns.js';
import { type RefineSettings, refine } from '../../src/reasoning/refine.js';
import { segment } from '../../src/reasoning/sentences.js';

const OPTIONS = ['The blanket.', 'The table.', 'The closet/cabinet.', 'The clothes.'];
const RIGHT: RefineSettings = { options: OPTIONS, answer: 2, correct: true, predicted: 2 };
const WRONG: RefineSettings = { options: OPTIONS, answer: 0, correct: false };

const sentencesOf = (text: string) => segment(text).map((unit) => text.slice(unit.start, unit.end));

describe('sentences', () => {
  it.each<[string, string[]]>([
    ['He sits. He runs! Why? "Yes." Done', ['He sits.', 'He runs!', 'Why?', '"Yes."', 'Done']],
    [
      'It takes 3.5 s, e.g. Two turns. Mr. Smith waits.',
      ['It takes 3.5 s, e.g. Two turns.', 'Mr. Smith waits.'],
    ],
    [
      '1. He sits.\n2. He runs. He stops.\n- A bullet\n* Another',
      ['1. He sits.', '2. He runs.', 'He stops.', '- A bullet', '* Another'],
    ],
    ['The man is wrapped\nto a width. Then\nhe runs.', ['The man is wrapped\nto a width.', 'Then\nhe runs.']],
    ['A title\n\nThe text', ['A title', 'The text']],
    ['He is no. 5. No. He is not.', ['He is no. 5.', 'No.', 'He is not.']],
    ['First... then more. (In brackets.) End', ['First... then more.', '(In brackets.)', 'End']],
    ['**Step 1:** He sits. **So** he rests.', ['**Step 1:** He sits.', '**So** he rests.']],
    ['他坐下。他跑了。', ['他坐下。', '他跑了。']],
    ['', []],
    [' \n ', []],
    [
      '###Answer: C ###Detailed Explanation: He sits. He runs.',
      ['###Answer: C', '###Detailed Explanation:', 'He sits.', 'He runs.'],
    ],
    ['He sits. **Answer**: C. Yes.\nMore.', ['He sits.', '**Answer**: C. Yes.', 'More.']],
    ['The answer is simple to see.', ['The answer is simple to see.']],
  ])('of %j', (text, expected) => {
    expect(sentencesOf(text)).toEqual(expected);
  });
});

describe('the closing forms of appendix A.4', () => {
  const steps = 'The man stands by a door. He opens it with his left hand.';
  it.each([
    '###Answer: C',
    '### Answer: C',
    '**Answer**: C',
    '**Answer: C** it is. Really.',
    'Answer: C',
    "'###Answer: C'",
    '`###Answer: C`',
    '- **Answer**: C',
    '1. **Answer:** C',
    '> ### Answer: C',
    '###Answer:\nC. The closet/cabinet.',
    '###Answer:\n\nThe closet/cabinet.',
    '###Conclusion: He opened the closet. Nothing else fits.',
    '**Conclusion**: He opened it',
    '**Conclusion:**\nHe opened it. Nothing else fits.\nIt is the one.',
    'The correct answer is C.',
    'the CORRECT answer, then, is the closet.',
    'Thus, the correct answer is C: The closet/cabinet.',
    'Therefore, the **correct answer** is C.',
    'Based on these observations, he tidied up something.',
    'Given these observations and the context, it is the closet.',
    'So option C is correct.',
    'Option (C) matches what is seen.',
    'C is the right choice.',
    'I choose C.',
    'C',
    'C: The closet/cabinet.',
    'The answer is the closet/cabinet.',
  ])('%j goes, before, after and between the steps', (closing) => {
    expect(refine(`${steps}\n\n${closing}`, RIGHT).refined).toBe(steps);
    expect(refine(`${closing}\n\n${steps}`, RIGHT).refined).toBe(steps);
    expect(refine(`${steps}\n\n${closing}\n\n${steps}`, RIGHT).refined).toBe(`${steps}\n\n${steps}`);
    expect(refine(closing, RIGHT)).toMatchObject({ refined: '' });
  });

  it('leaves the explanation behind its header, in one line or many', () => {
    expect(refine(`###Answer: C ###Detailed Explanation: ${steps}`, RIGHT).refined).toBe(steps);
    expect(refine(`###Answer: C\n\n### Detailed Explanation\n${steps}`, RIGHT).refined).toBe(steps);
    expect(refine(`**Detailed Explanation:** ${steps} **Answer**: C`, RIGHT).refined).toBe(steps);
  });

  it('keeps the text behind another header on the line', () => {
    const text =
      '###Answer: C ###Reasoning: He sits. He runs. ###Conclusion: It is the closet. ### Note: He stops.';
    expect(refine(text, RIGHT).refined).toBe('He sits. He runs. ### Note: He stops.');
  });

  it.each([
    '###Detailed Reasoning Process:',
    '### Detailed explanation of the reasoning process',
    '**Detailed Reasoning Steps:**',
    '- **Detailed Explanation**:',
  ])('removes the whole header %j', (header) => {
    expect(refine(`${header}\nHe sits. He runs.`, RIGHT).refined).toBe('He sits. He runs.');
  });

  it('does not take a sentence behind "Detailed Explanation" for a part of it', () => {
    const text = '###Detailed Explanation of the process he uses is hard.';
    expect(refine(text, RIGHT).refined).toBe('of the process he uses is hard.');
  });

  it('keeps steps that look similar', () => {
    const text =
      'A person answers the phone. The table in option B is not visible. He corrects the answer sheet (see frame 3.5).\n' +
      '1. Based on the frame, the man sits.\n2. The closet/cabinet is open.\n   In conclusion of the game, he bows.';
    const result = refine(text, RIGHT);
    expect(result).toMatchObject({ refined: text, removed: [], counts: {} });
  });
});

describe('a predicted option', () => {
  it.each([
    'My pick is C.',
    'The answer must therefore be C.',
    'The only option consistent with this is (C).',
    'So, C.',
    'Therefore: C',
    '=> C',
    'Correct: C',
    'That leaves C!',
    '- Options A, B and D can be ruled out, leaving C.',
    'C it is.',
    'C fits best.',
    'This makes C the right choice.',
    'Here option c is what happens.',
    'The third option is shown.',
  ])('goes in a loose form too: %j', (sentence) => {
    const result = refine(`He sits.\n${sentence}\nHe runs.`, RIGHT);
    expect(result).toMatchObject({ refined: 'He sits.\nHe runs.', removed: [sentence] });
  });

  it.each([
    'He drinks vitamin C.',
    'Vitamin C fits in the jar.',
    'The so called C major chord sounds.',
    'The third choice of the boy is a table.',
    'The first option is not shown.',
    'This is A.',
  ])('is not in: %j', (sentence) => {
    expect(refine(sentence, RIGHT).refined).toBe(sentence);
  });
});

it('counts removals under the paper’s names, and can show them in place', () => {
  const text =
    '1. He sits.\n2. Option C shows it. He folds it.\n\nThus, the correct answer is C.\n###Answer: C\n';
  const result = refine(text, RIGHT);
  expect(result.refined).toBe('1. He sits.\nHe folds it.');
  expect(result.removed).toEqual(['2. Option C shows it.', 'Thus, the correct answer is C.', '###Answer: C']);
  expect(result.counts).toEqual({ 'predicted option': 1, 'Thus, the correct answer is': 1, '###Answer': 1 });
  expect(result.parts.map((part) => part.text).join('')).toBe(text);
  expect(
    result.parts
      .filter((part) => part.removedBy === undefined)
      .map((part) => part.text)
      .join(''),
  ).toBe(result.refined);
});

describe('incorrect reasoning', () => {
  const text =
    'The man lifts The Blanket and two blankets. A closet is behind him, and option A (the blanket) may fit (A).\nThe blanket.\n###Answer: C';

  it('loses the words of the ground truth too', () => {
    const result = refine(text, WRONG);
    expect(result.refined).toBe(
      'The man lifts and two. A closet is behind him, and () may fit.'
        .replace('two.', 'two .')
        .replace('fit.', 'fit .'),
    );
    expect(result.counts[GROUND_TRUTH]).toBeGreaterThan(3);
  });

  it('keeps them on request, and for correct or unjudged reasoning', () => {
    const kept = text.slice(0, text.lastIndexOf('\n'));
    expect(refine(text, { ...WRONG, groundTruth: 'keep' }).refined).toBe(kept);
    expect(refine(text, { ...WRONG, correct: null }).refined).toBe(kept);
    expect(refine(text, { ...WRONG, answer: null }).refined).toBe(kept);
  });

  it('loses each content word of a longer option in words mode', () => {
    const settings = {
      options: ['put the red cup on the shelf', 'sat'],
      answer: 0,
      correct: false,
      predicted: 1,
    };
    const said = 'He puts a red thing near the shelf. The cupboard is red.';
    expect(refine(said, settings).refined).toBe(said);
    expect(refine(said, { ...settings, groundTruth: 'words' }).refined).toBe(
      'He a thing near the . The cupboard is .',
    );
  });

  it('does not cut inside other words', () => {
    const settings = { options: ['red', 'ox'], answer: 0, correct: false, predicted: 1 };
    expect(refine('A redder, reduced, covered thing. Red! Red?', settings).refined).toBe(
      'A redder, reduced, covered thing.',
    );
  });
});

describe('patterns from a recipe', () => {
  it('are a set or phrases', () => {
    expect(patternsFrom('paper')).toBe(PAPER_PATTERNS);
    expect(patternsFrom('wide')).toBe(WIDE_PATTERNS);
    const patterns = patternsFrom(['It follows ...', '###Answer']);
    const text =
      'He sits. From  this it\nfollows that he rests. It followsup.\n###Answer: B\n###Conclusion: none';
    const plain = { options: OPTIONS, answer: null, correct: null, patterns, predicted: null };
    expect(refine(text, plain).refined).toBe('He sits. It followsup.\n###Conclusion: none');
    expect(refine('Hm (a+b). OK.', { ...plain, patterns: patternsFrom(['(a+b)']) }).refined).toBe('OK.');
  });

  it('wide removes other models’ closings', () => {
    const text =
      'He sits. Based on the observations, he will open it. In conclusion, he rests. It is the best option.';
    expect(refine(text, RIGHT).refined).toBe(text);
    expect(refine(text, { ...RIGHT, patterns: WIDE_PATTERNS }).refined).toBe('He sits.');
  });

  it.each(['papers', ['...'], ['ok', ' ']])('refuses %j', (config) => {
    expect(() => patternsFrom(config)).toThrow(UsageError);
  });
});

/** Random teacher texts: steps, closings, markup, white space and noise in any order. */
function randomText(rng: Rng, more: readonly string[] = []): string {
  const pieces = [
    ...more,
    'The man stands by a door.',
    'A dog runs 3.5 m, e.g. fast.',
    '1. ',
    '- ',
    '**Step 2:** ',
    'She lifts the blanket',
    'Option A is not visible.',
    'option C',
    '(A)',
    'the table',
    '###Answer: C',
    '###Answer:',
    '**Answer**: The blanket.',
    '**Conclusion**:',
    '###Conclusion: B fits',
    '###Detailed Explanation:',
    'Thus, the correct answer is C.',
    'The correct answer',
    'is C',
    'Based on these observations, he left.',
    'Given these observations and the context',
    'C',
    'A',
    'The closet/cabinet.',
    'so, ',
    '\n',
    '\n\n',
    ' ',
    '  ',
    '. ',
    '! ',
    ', ',
    '...',
    '🐶',
    '\t',
    '\r\n',
    '***',
    '"',
    ')',
  ];
  return Array.from({ length: rng.int(25) }, () => rng.pick(pieces) + rng.pick(['', ' ', '\n'])).join('');
}

/** Marks of models, and options in all their forms. */
const MARKED_PIECES = [
  ...OPTIONS,
  ...OPTIONS.map((option, i) => `${'ABCD'[i]}. ${option}`),
  'B)',
  '**B**',
  '**C**.',
  '\\boxed{C}',
  '<answer>',
  '</answer>',
  '<think>',
  '</think>',
  '```',
  '{"answer": "C"}',
  'Second option: ',
  'A: wrong',
  'C ✅',
  '### Detailed explanation of the process',
  '**Answer**',
  '---',
];

describe('for any text', () => {
  const runs = 400;
  const each = (body: (text: string, settings: RefineSettings) => void, more?: readonly string[]) => {
    const rng = new Rng('texts');
    for (let i = 0; i < runs; i++) {
      const text = randomText(rng, more);
      const answer = rng.pick([0, 1, 2, 3, null]);
      const settings: RefineSettings = {
        options: OPTIONS,
        answer,
        correct: answer === null ? null : rng.pick([true, false]),
        groundTruth: rng.pick(['phrase', 'words', 'keep']),
        ...(rng.int(2) ? { predicted: rng.pick([0, 1, 2, 3, null]) } : {}),
      };
      body(text, settings);
    }
  };

  it('units and the white space between them are the whole text', () => {
    each((text) => {
      let at = 0;
      for (const unit of segment(text)) {
        expect(text.slice(at, unit.start).trim(), text).toBe('');
        expect(unit.end).toBeGreaterThan(unit.start);
        at = unit.end;
      }
      expect(text.slice(at).trim(), text).toBe('');
    });
  });

  it.each([[], MARKED_PIECES])('refining twice is refining once', (...more) => {
    each((text, settings) => {
      const once = refine(text, settings).refined;
      expect(refine(once, settings).refined, JSON.stringify([text, settings])).toBe(once);
    }, more);
  });

  it.each([
    ['what the truth leaves of the last sentence', 'He runs. A. The blanket', 0, null, 'He runs.'],
    ['the predicted option of a longer sentence', 'He runs. The table\nthe blanket', 0, 1, 'He runs.'],
    ['a header that stood before the end', 'He runs. **Answer** ###Answer: C', 0, 2, 'He runs.'],
    [
      'a box that the truth parted from its sentence',
      'He runs.the blanket**B** x',
      0,
      undefined,
      'He runs. **B** x',
    ],
  ])('is whole where removing makes %s', (_, text, answer, predicted, left) => {
    const settings = { options: OPTIONS, answer, correct: false, predicted };
    expect(refine(text, settings).refined).toBe(left);
    expect(refine(left, settings).refined).toBe(left);
  });

  it('no pattern of the paper is left', () => {
    each((text, settings) => {
      const { refined } = refine(text, settings);
      expect(refined.replace(/[*_`]/g, '').replace(/\s+/g, ' '), JSON.stringify(text)).not.toMatch(
        /# *(answer|conclusion|detailed explanation)\b|\b(the correct answer|based on these observations|given these observations and the context)\b/i,
      );
    });
  });

  it('the predicted option is not named', () => {
    each((text, settings) => {
      if (settings.predicted !== 2) return;
      expect(refine(text, settings).refined, JSON.stringify(text)).not.toMatch(/\b[Oo]ption C\b|\(C\)/);
    });
  });

  it('the ground truth is not in incorrect reasoning', () => {
    each((text, settings) => {
      if (settings.correct !== false || settings.answer !== 0 || settings.groundTruth === 'keep') return;
      expect(refine(text, settings).refined, JSON.stringify(text)).not.toMatch(
        /\bblankets?\b|\boption A\b|\(A\)/i,
      );
    });
  });

  it('parts are the text, kept parts are the result', () => {
    each((text, settings) => {
      const { refined, parts, removed, counts } = refine(text, settings);
      expect(parts.map((part) => part.text).join('')).toBe(text);
      expect(
        parts
          .filter((part) => part.removedBy === undefined)
          .map((part) => part.text)
          .join(''),
      ).toBe(refined);
      expect(Object.values(counts).reduce((a, b) => a + b, 0)).toBe(removed.length);
      if (removed.length === 0 && refined !== '') expect(refined).toBe(text);
    });
  });

  it('every sentence is kept or removed as a whole, but for the ground truth', () => {
    each((text, settings) => {
      const { parts, counts } = refine(text, settings);
      if (counts[GROUND_TRUTH]) return;
      const kept = parts.flatMap((part) => Array(part.text.length).fill(part.removedBy === undefined));
      for (const { start, end } of segment(text)) {
        expect(
          new Set(kept.slice(start, end)).size,
          JSON.stringify([text.slice(start, end), text, parts]),
        ).toBe(1);
      }
    });
  });
});

describe('the heading of the reasoning', () => {
  const settings = { options: ['a dog', 'a cat'], answer: 1, correct: true, predicted: 1 };
  it.each([
    '###Reasoning: It purrs.\n###Answer: B',
    '### Reasoning\n\nIt purrs.\n\n### Answer\n\nB',
    '**Step-by-step reasoning:**\nIt purrs.\n**Answer:** B',
    '### Answer: B\n\n### Reasoning:\nIt purrs.',
    'Reasoning: It purrs.\nAnswer: B',
    '**Reasoning Process**\n\nIt purrs.',
  ])('goes, and the steps stay: %j', (text) => {
    const { refined } = refine(text, settings);
    expect(refined).toBe('It purrs.');
    expect(refine(refined, settings).refined).toBe(refined);
  });
  it.each(['Reasoning about cats is hard.', 'The **reasoning** of the cat is plain.'])(
    'is none: %j',
    (text) => {
      expect(refine(text, settings).refined).toBe(text);
    },
  );
});
