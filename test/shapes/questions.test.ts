/** Questions of the shapes world: of every template, each with one true option. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll, lookUp, placeAnswer, TYPE_OF } from '../../src/shapes/questions.js';
import { COLOURS, LOCATIONS } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { truthOf } from './oracle.js';

const clips = Array.from({ length: 600 }, (_, i) => simulateClip(`questions-test/${i}`));
const asked = clips.map((clip) => ({ clip, questions: askAll(clip, new Rng(clip.id)) }));
const all = asked.flatMap(({ questions }) => questions);

const DIRECTED = ['it moved left', 'it moved right', 'it moved up', 'it moved down', 'it stayed still'];
const REACTIONS = ['it moved away', 'it vanished', 'it shrank', 'it grew', 'it changed colour'];
const OBJECTS = COLOURS.map((colour) => `the ${colour} object`);

describe('askAll', () => {
  it('asks questions of every template, in the form and of the types of NExT-QA', () => {
    expect(new Set(all.map(({ template }) => template))).toEqual(new Set(Object.keys(TYPE_OF)));
    expect(new Set(Object.values(TYPE_OF))).toEqual(new Set(['CW', 'CH', 'TN', 'TP', 'DL', 'DO']));
    const texts = all.flatMap(({ question, options }) => [question, ...options]);
    expect(texts.filter((text) => !/^[a-z]+( [a-z]+)*$/.test(text))).toEqual([]);
  });

  it('offers five distinct options, the right one first', () => {
    for (const { options, answer, right } of all) {
      expect([answer, options[0], new Set(options).size, options.length]).toEqual([0, right, 5, 5]);
    }
  });

  it('gives exactly one option that is true of the clip, by an independent reading of its events', () => {
    const checked = new Map<string, number>();
    for (const { clip, questions } of asked) {
      for (const { template, question, options } of questions) {
        const truths = options.filter((option) => truthOf(clip, question, option));
        expect({ clip: clip.id, question, truths }).toEqual({
          clip: clip.id,
          question,
          truths: [options[0]],
        });
        checked.set(template, (checked.get(template) ?? 0) + 1);
      }
    }
    expect(Math.min(...checked.values())).toBeGreaterThan(500);
  });

  it('offers the same closed set whichever of its texts is right', () => {
    const sets = [DIRECTED, REACTIONS].map((set) => [...set].sort());
    for (const { template, question, options } of all) {
      const sorted = [...options].sort();
      if (['reaction', 'manner', 'after', 'before'].includes(template)) expect(sets).toContainEqual(sorted);
      if (template === 'place') expect(LOCATIONS).toEqual(expect.arrayContaining(options));
      if (template === 'who') expect(OBJECTS).toEqual(expect.arrayContaining(options));
      if (template !== 'cause') continue;
      const others = OBJECTS.filter((object) => !question.includes(object));
      expect(sorted).toEqual(others.map((object) => `${object} touched it`).sort());
    }
  });

  it('takes the distractors of places from the clip: the other end of the way, other objects', () => {
    for (const { clip, questions } of asked.slice(0, 150)) {
      const present = clip.objects.map(({ colour }) => `the ${colour} object`);
      for (const { template, question, options } of questions) {
        if (template === 'who') expect(options).toEqual(expect.arrayContaining(present));
        if (template !== 'place') continue;
        const otherEnd = question.replace(/start$|end$/, (end) => (end === 'end' ? 'start' : 'end'));
        const there = lookUp(factsOf(clip), otherEnd)?.right;
        if (there !== undefined) expect(options).toContain(there);
      }
    }
  });

  it('never asks the same words twice about a clip', () => {
    for (const { questions } of asked)
      expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
  });

  it('asks each clip at least four questions, and draws other distractors with another seed', () => {
    for (const { clip, questions } of asked) expect(questions.length, clip.id).toBeGreaterThanOrEqual(4);
    for (const { clip, questions } of asked.slice(0, 50)) {
      expect(askAll(clip, new Rng(clip.id))).toEqual(questions);
      const others = askAll(clip, new Rng(`${clip.id}/other`));
      expect(others).not.toEqual(questions);
      expect(others.map(({ question, right }) => [question, right])).toEqual(
        questions.map(({ question, right }) => [question, right]),
      );
    }
  });
});

describe('lookUp', () => {
  it('finds every question that askAll asks, and no other', () => {
    for (const { clip, questions } of asked.slice(0, 100)) {
      const facts = factsOf(clip);
      for (const { question, template, right, evidence } of questions)
        expect(lookUp(facts, question)).toMatchObject({ question, template, right, evidence });
      expect(lookUp(facts, 'why is the sky blue')).toBeUndefined();
    }
  });
});

describe('placeAnswer', () => {
  it('moves the right option to the position and keeps the five texts', () => {
    for (const [i, question] of all.slice(0, 200).entries()) {
      const placed = placeAnswer(question, i % 5, new Rng(i));
      expect([placed.answer, placed.options[i % 5]]).toEqual([i % 5, question.right]);
      expect([...placed.options].sort()).toEqual([...question.options].sort());
    }
  });
});
