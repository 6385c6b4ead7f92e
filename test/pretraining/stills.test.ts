/** Texts about single frames: true of what the frames show, silent about what happens between them. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { aboutFrames, STILL_TASKS } from '../../src/pretraining/stills.js';
import { factsOf } from '../../src/shapes/language.js';
import { askAll } from '../../src/shapes/questions.js';
import { COLOURS, LOCATIONS } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';
import { placeName, replay, type Seen } from '../shapes/oracle.js';
import { clausesOf } from '../shapes/stepOracle.js';
import { readPrompt, sentencesIn } from './storyReader.js';

/** Half of the texts are about four frames, half about one. */
const samples = Array.from({ length: 4000 }, (_, i) => {
  const clip = simulateClip(`stills-test/${i % 1000}`);
  const beats = i % 2 === 0 ? [0, 1, 2, 3] : [i % 4];
  const text = aboutFrames(factsOf(clip), beats, new Rng(`stills-test/${i}`));
  return { clip, beats, seen: beats.map((beat) => replay(clip)[beat]!), ...text };
});
type Still = (typeof samples)[number];

const ofTask = (...tasks: string[]) => samples.filter(({ task }) => tasks.includes(task));

describe('aboutFrames', () => {
  it('writes every task, and the same for the same seed', () => {
    for (const task of STILL_TASKS) expect(ofTask(task).length, task).toBeGreaterThan(300);
    const facts = factsOf(samples[0]!.clip);
    const texts = (seed: string) => {
      const rng = new Rng(seed);
      return Array.from({ length: 20 }, () => aboutFrames(facts, [0, 1, 2, 3], rng));
    };
    expect(texts('a')).toEqual(texts('a'));
    expect(texts('a')).not.toEqual(texts('b'));
  });

  it('says nothing of what happens between frames', () => {
    const events =
      /\b(mov(e|es|ed)|touch(es|ed)?|push(es|ed)?|vanish(es|ed)?|shrinks?|shrank|grows?|grew|turns?|chang(e|es|ed)|stays?|still|because|so|after|before|why|did|react)\b/i;
    for (const { prompt, target } of samples) expect(`${prompt} ${target}`).not.toMatch(events);
  });

  it('never puts a question of the data set', () => {
    for (const { prompt } of samples)
      expect(prompt).not.toMatch(/where is|which object is at the|how did|what did|why/);
    for (const { clip, prompt } of samples.slice(0, 400)) {
      for (const { question } of askAll(clip, new Rng(0))) expect(prompt).not.toContain(question);
    }
  });

  it('describes what a frame shows', () => {
    for (const { prompt, target, seen } of ofTask('describe')) {
      const frame = Number(/^Describe frame (\d)\.$/.exec(prompt)![1]);
      const shown = seen[frame - 1]!.filter(({ cell }) => cell !== undefined);
      const parts = shown.map((object) => `${object.shown} ${object.shape} ${placeName(object)}`);
      expect(target).toBe(`${parts.join(', ')}.`);
    }
  });

  it('writes prose that is true of the frames', () => {
    const kinds = new Map<string, number>();
    for (const { clip, beats, target } of ofTask('prose')) {
      const sentences = sentencesIn(target);
      expect(sentences.length).toBeLessThanOrEqual(3);
      for (const text of sentences) {
        // The oracle counts the frames of all four beats.
        const counted = text.replace(/(?<=^In frame )\d/, (frame) => `${beats[Number(frame) - 1]! + 1}`);
        const clauses = clausesOf(clip, counted, '');
        expect({ text, untrue: clauses.filter(({ holds }) => !holds) }).toEqual({ text, untrue: [] });
        kinds.set(text.split(' ')[0]!, (kinds.get(text.split(' ')[0]!) ?? 0) + 1);
      }
    }
    expect([...kinds.keys()].sort()).toEqual(['In', 'There']);
    expect(Math.min(...kinds.values())).toBeGreaterThan(100);
  });

  it('completes a statement truly', () => {
    for (const still of ofTask('complete'))
      expect({ ...still, holds: holds(still, readPrompt(still.prompt).asked, still.target) }).toMatchObject({
        holds: true,
      });
  });

  it('offers two to five options of which one is true, but where two objects have one colour', () => {
    let ambiguous = 0;
    const choices = ofTask('choose', 'explain');
    for (const still of choices) {
      const { asked, options, explains } = readPrompt(still.prompt);
      expect(options.length).toBeGreaterThanOrEqual(2);
      expect(new Set(options).size).toBe(options.length);
      const letter = 'ABCDE'.indexOf(still.target.slice(-1));
      const said = `Option ${'ABCDE'[letter]}`;
      expect([still.task, still.target]).toEqual(
        explains ? ['explain', `${options[letter]} ${said}`] : ['choose', said],
      );
      const truths = options.filter((option) => holds(still, asked, option));
      expect({ prompt: still.prompt, seen: still.seen, truths }).toMatchObject({
        truths: expect.arrayContaining([options[letter]]),
      });
      // A question of the data set asks for no colour that two objects show.
      const twins = still.seen.some((frame) => {
        const shown = frame.filter(({ cell }) => cell !== undefined).map((object) => object.shown);
        return new Set(shown).size < shown.length;
      });
      if (!twins) expect(truths).toHaveLength(1);
      else if (truths.length > 1) ambiguous++;
    }
    expect(ambiguous / choices.length).toBeLessThan(0.03);
  });

  it('puts the right option at each letter equally often', () => {
    const five = ofTask('choose', 'explain').filter(({ prompt }) => readPrompt(prompt).options.length === 5);
    expect(five.length).toBeGreaterThan(500);
    for (const letter of 'ABCDE') {
      const share = five.filter(({ target }) => target.endsWith(letter)).length / five.length;
      expect(Math.abs(share - 0.2)).toBeLessThan(4 * Math.sqrt(0.16 / five.length));
    }
  });

  it('prefers wrong options that the frames suggest', () => {
    let suggested = 0;
    let byChance = 0;
    for (const { prompt, target, clip } of ofTask('choose', 'explain')) {
      const { options } = readPrompt(prompt);
      if (!options.every((option) => LOCATIONS.some((place) => place === option))) continue;
      const places = new Set(
        replay(clip)
          .flat()
          .flatMap((object) => placeName(object) ?? []),
      );
      const wrong = options.filter((_, i) => i !== 'ABCDE'.indexOf(target.slice(-1)));
      suggested += wrong.filter((place) => places.has(place as (typeof LOCATIONS)[number])).length;
      byChance += (wrong.length * (places.size - 1)) / (LOCATIONS.length - 1);
    }
    expect(suggested / byChance).toBeGreaterThan(1.1);
  });
});

/** Whether a value makes a statement true of what the frames show, or answers a question so. */
function holds({ clip, seen }: Still, asked: string, value: string): boolean {
  const statement = asked.startsWith('Complete: ')
    ? asked.slice('Complete: '.length).replace('blank', value)
    : QUESTIONS.reduce((text, [question, answer]) => text.replace(question, answer), asked).replace(
        'VALUE',
        value,
      );
  const [, background] = /^the background is (\w+)$/.exec(statement) ?? [];
  if (background !== undefined) return background === clip.background;
  const [, claim, moment] = /^(.+) (at the start|at the end|in frame \d)$/.exec(statement)!;
  const frame =
    { 'at the start': seen[0], 'at the end': seen.at(-1) }[moment!] ?? seen[Number(moment!.at(-1)) - 1]!;
  const shown = frame.filter(({ cell }) => cell !== undefined);
  const [, name, place] = /^(.+) is at the (.+)$/.exec(claim!) ?? [];
  if (place !== undefined)
    return shown.some((object) => isCalled(object, name!) && placeName(object) === place);
  const [, colour, shape] = /^the (\w+) object is a (\w+)$/.exec(claim!)!;
  expect(COLOURS).toContain(colour);
  return shown.some((object) => object.shown === colour && object.shape === shape);
}

const QUESTIONS: [RegExp, string][] = [
  [/^where can we see (the \w+ \w+) (.+)$/, '$1 is at the VALUE $2'],
  [/^which object can we see (at the .+)$/, 'VALUE is $1'],
  [/^which shape has (the \w+ object) (.+)$/, '$1 is a VALUE $2'],
  [/^which colour has the background$/, 'the background is VALUE'],
];

/** By what the frame shows: the colour it has there. */
function isCalled({ shown, shape }: Seen, name: string): boolean {
  return name === `the ${shown} object` || name === `the ${shown} ${shape}`;
}
