/** Texts to read without a clip: lists of options, and stories. */
import { describe, expect, it } from 'vitest';
import { lists, stories, type Text } from '../../src/pretraining/reading.js';
import { DEED } from '../../src/shapes/language.js';
import { EFFECTS, type Effect, SHAPES } from '../../src/shapes/scene.js';
import { ENDINGS } from '../../src/shapes/teacherText.js';
import { VERBS } from '../shapes/oracle.js';
import { answersTo, readPrompt, readSentence, sentencesIn } from './storyReader.js';

const take = (stream: Generator<Text, never>, count: number) =>
  Array.from({ length: count }, () => stream.next().value);

describe('lists', () => {
  const samples = take(lists('reading-test'), 3000).map((sample) => ({
    ...sample,
    ...readPrompt(sample.prompt),
  }));

  it('asks for a letter, a text, a text before its letter, or all of them so', () => {
    const counts = { letter: 0, text: 0, one: 0, all: 0 };
    for (const { explains, asked, options, target } of samples) {
      const letters = new Map(options.map((text, i) => [text, `Option ${'ABCDE'[i]}`]));
      expect(letters.size).toBe(options.length);
      if (explains) {
        const texts = asked.split(', ');
        expect(target).toBe(texts.map((text) => `${text} ${letters.get(text)}`).join(', '));
        if (texts.length > 1) expect([...texts].sort()).toEqual([...options].sort());
        counts[texts.length === 1 ? 'one' : 'all']++;
      } else if (letters.has(asked)) {
        expect(target).toBe(letters.get(asked));
        counts.letter++;
      } else {
        expect(letters.get(target)).toBe(asked);
        counts.text++;
      }
    }
    for (const [kind, count] of Object.entries(counts))
      expect(Math.abs(count / samples.length - (kind === 'letter' ? 0.4 : 0.2)), kind).toBeLessThan(0.04);
  });

  it('puts the text of two to five options at each letter equally often', () => {
    for (const size of [2, 3, 4, 5]) {
      const own = samples.filter(
        ({ options, target }) => options.length === size && target.startsWith('Option'),
      );
      expect(own.length).toBeGreaterThan(150);
      for (const letter of 'ABCDE'.slice(0, size)) {
        const share = own.filter(({ target }) => target.endsWith(letter)).length / own.length;
        expect(Math.abs(share - 1 / size), `${letter} of ${size}`).toBeLessThan(
          4 * Math.sqrt(0.25 / own.length),
        );
      }
    }
  });

  it('is the same for the same seed and another for another', () => {
    expect(take(lists('a'), 20)).toEqual(take(lists('a'), 20));
    expect(take(lists('a'), 20)).not.toEqual(take(lists('b'), 20));
  });
});

describe('stories', () => {
  const samples = take(stories('reading-test'), 6000).map((sample) => {
    const repeats = sample.prompt === `Question: ${sample.target}`;
    const read = readPrompt(repeats ? 'Question: ' : sample.prompt);
    return { ...sample, ...read, repeats, told: read.story.map(readSentence) };
  });
  const asking = samples.filter(({ repeats }) => !repeats);

  it('repeats a story, or asks about it with or without options', () => {
    for (const { asked, story } of asking) {
      expect(asked).not.toBe('');
      expect(story.length).toBeGreaterThan(0);
      expect(story.length).toBeLessThanOrEqual(3);
    }
    const share = (some: unknown[]) => some.length / samples.length;
    expect(share(asking)).toBeGreaterThan(0.6);
    expect(share(asking)).toBeLessThan(0.75);
    expect(share(asking.filter(({ options }) => options.length === 0))).toBeGreaterThan(0.1);
    expect(share(asking.filter(({ explains }) => explains))).toBeGreaterThan(0.15);
  });

  it('has an answer that the text of the story gives, the only one but for 5 of 1,000', () => {
    let several = 0;
    for (const { prompt, target, asked, options, explains, told } of asking) {
      const letter = 'ABCDE'.indexOf(target.slice(-1));
      const right = options.length === 0 ? target : options[letter]!;
      if (explains) expect(target).toBe(`${right} Option ${'ABCDE'[letter]}`);
      else if (options.length > 0) expect(target).toBe(`Option ${'ABCDE'[letter]}`);
      const answers = answersTo(asked, told);
      expect({ prompt, right, answers: [...answers] }).toMatchObject({
        answers: expect.arrayContaining([right]),
      });
      if (answers.size > 1) several++;
    }
    expect(several / asking.length).toBeLessThan(0.005);
  });

  it('repeats every ending of the teacher, half of the times', () => {
    const repeated = samples.filter(({ repeats }) => repeats).map(({ target }) => target);
    const concluded = repeated.filter((text) => /answer|###|\*\*/i.test(text));
    expect(Math.abs(concluded.length / repeated.length - 0.5)).toBeLessThan(0.05);
    const words = concluded.join(' ');
    for (const { lead = '', sentence = '', mark = '' } of ENDINGS)
      for (const part of [lead, sentence, mark]) expect(words).toContain(part.split('{')[0]);
  });

  it('asks in every way, for every kind of sentence', () => {
    const anonymous = (text: string) =>
      text
        .replace(/the \w+ \w+/g, 'X')
        .replace(/\b(left|right|up|down)\b/, 'WAY')
        .replace(/(?<=turns )\w+/, 'COLOUR');
    const effects = VERBS.map(([, , present]) => present);
    expect(new Set(asking.map(({ asked }) => anonymous(asked)))).toEqual(
      new Set([
        ...[
          'which touches X',
          'X touches',
          'which moves WAY',
          'which is pushed WAY',
          'X moves',
          'X is pushed',
        ],
        ...['which stays still', 'which turns COLOUR', 'X turns', 'what does X do'],
        ...effects.map((effect) => `which ${effect}`),
        ...EFFECTS.map((effect) => `which ${DEED[effect]}`),
        'it does not move',
      ]),
    );
  });

  const shapeOf = (name: string) => name.split(' ')[2]!;
  const effects = new Map<string, Effect>([
    ...VERBS.map(([, , present, effect]) => [present, effect] as const),
    ['is pushed', 'push'],
    ['turns', 'paint'],
  ]);
  const told = samples.flatMap((sample) => sample.told);

  it.each([
    [
      'the shape of an object, and what happens to it',
      told.flatMap(({ subject, verb }) =>
        effects.has(verb) ? [[shapeOf(subject), effects.get(verb)!]] : [],
      ),
    ],
    [
      'the shape of what touches, and the effects in its story',
      samples.flatMap(({ told: story }) =>
        story.flatMap(({ touched, subject }) =>
          touched === undefined
            ? []
            : story.flatMap(({ verb }) =>
                effects.has(verb) ? [[shapeOf(subject), effects.get(verb)!]] : [],
              ),
        ),
      ),
    ],
    [
      'the shape of what touches, and the next sentence',
      samples.flatMap(({ told: story }) =>
        story.flatMap(({ touched, subject }, i) => {
          const next = story[i + 1];
          return touched === undefined || next === undefined || !effects.has(next.verb)
            ? []
            : [[shapeOf(subject), effects.get(next.verb)!]];
        }),
      ),
    ],
    [
      'a shape and an effect of a supposed law',
      told.flatMap(({ law }) =>
        law ? [[law.shape, EFFECTS.find((effect) => DEED[effect] === law.effect)!]] : [],
      ),
    ],
  ])('lets neither tell the other: %s', (_, pairs) => {
    expect(new Set(pairs.map(([shape]) => shape))).toEqual(new Set(SHAPES));
    expect(new Set(pairs.map(([, effect]) => effect))).toEqual(new Set(EFFECTS));
    expect(pairs.length).toBeGreaterThan(300);
    // 16 degrees of freedom: 39.3 is passed by chance once in 1,000 seeds.
    expect(chiSquare(pairs as [string, string][])).toBeLessThan(39.3);
  });

  it('is the same for the same seed and another for another', () => {
    expect(take(stories('a'), 20)).toEqual(take(stories('a'), 20));
    expect(take(stories('a'), 20)).not.toEqual(take(stories('b'), 20));
  });
});

it('reads prose of every layout', () => {
  const steps = ['In frame 1, one.', 'Two, and three.'];
  for (const text of [steps.join(' '), `1. ${steps[0]}\n2. ${steps[1]}`, `- ${steps[0]}\n- ${steps[1]}`])
    expect(sentencesIn(text)).toEqual(steps);
});

/** Pearson's statistic of independence of the two members of the pairs. */
function chiSquare(pairs: readonly [string, string][]): number {
  const count = (is: (pair: readonly [string, string]) => boolean) => pairs.filter(is).length;
  let sum = 0;
  for (const shape of SHAPES) {
    for (const effect of EFFECTS) {
      const expected = (count(([s]) => s === shape) * count(([, e]) => e === effect)) / pairs.length;
      sum += (count(([s, e]) => s === shape && e === effect) - expected) ** 2 / expected;
    }
  }
  return sum;
}
