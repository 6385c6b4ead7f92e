/** Facts that texts state, and the scores that compare them. */
import { describe, expect, it } from 'vitest';
import { factsIn } from '../../src/shapes/facts.js';
import { darkScore, mixScore } from '../../src/shapes/score.js';

const told = (text: string) =>
  factsIn(text).map(({ subject, verb, target }) => [subject, verb, ...(target ? [target] : [])].join(' '));

describe('factsIn', () => {
  it.each<[string, string[]]>([
    ['the red star moves left.', ['red star moved left']],
    [
      'The red star moved left and touched the blue circle',
      ['red star moved left', 'red star touched blue circle'],
    ],
    ['a red star moves up, then vanishes!', ['red star moved up', 'red star vanished']],
    ['the blue circle is pushed down', ['blue circle moved down']],
    ['the blue circle is pushed away', ['blue circle moved away']],
    ['the blue circle moves away. It shrinks', ['blue circle moved away', 'it shrank']],
    ['it turns red; it changes colour', ['it turned red', 'it changed colour']],
    ['it stayed still', ['it stayed still']],
    ['moved left', ['it moved left']],
    ['The red object touched it', ['red object touched it']],
    ['it grew. it grew. IT GROWS.', ['it grew']],
    ['In frame 2, the red star grows', ['red star grew']],
    ['', []],
    ['left', []],
    ['it moved left, right and up', ['it moved left', 'it moved right', 'it moved up']],
    ['it vanished left', []],
    ['the red star', []],
    ['the red star does not move left', []],
    ['it moved left or right', []],
    ['maybe it moved left', []],
    ['it moved left right up down', []],
    ['the pink star moved left', []],
    ['<unk> \u0000 {"move": "left"}', []],
  ])('of "%s" are %j', (text, facts) => {
    expect(told(text)).toEqual(facts);
  });

  it('are read in a moment from a text of any length', () => {
    const begun = process.cpuUsage();
    expect(told('it moved left and '.repeat(100_000))).toEqual(['it moved left']);
    expect(process.cpuUsage(begun).user).toBeLessThan(1e6);
  });
});

const TRUTH = 'the red star moves left and touches the blue circle. the blue circle vanishes.';

describe('darkScore', () => {
  it.each<[string, 0 | 1 | 2]>([
    [TRUTH, 2],
    ['The blue circle vanished. The red star moved left and touched the blue circle.', 2],
    ['the red object moves left and touches the blue object. the blue object vanishes.', 2],
    ['the blue circle vanishes.', 1],
    ['the red star touched the blue circle, and the blue circle shrank', 1],
    ['the blue circle touches the red star', 1],
    [`${TRUTH} the green cross moves up.`, 1],
    ['the blue circle shrinks. the red star moves up. the red star moves left.', 0],
    ['the green star moves left', 0],
    ['the blue star vanishes', 0],
    ['the red star stays still', 0],
    ['nothing', 0],
    ['', 0],
  ])('of "%s" is %d', (text, score) => {
    expect(darkScore(text, TRUTH)).toBe(score);
  });

  it('of what follows from the truth is 1, not 2', () => {
    expect(darkScore('the blue circle moves away', 'the blue circle is pushed left.')).toBe(1);
    expect(darkScore('the blue circle changes colour', 'the blue circle turns red.')).toBe(1);
    expect(darkScore('the blue circle moves left', 'the blue circle is pushed left.')).toBe(2);
  });

  it('gives nothing for a list of everything that may happen', () => {
    const names = ['red star', 'blue circle'];
    const deeds = [
      'moves left',
      'moves right',
      'moves up',
      'moves down',
      'vanishes',
      'shrinks',
      'grows',
      'turns red',
    ];
    const all = names.flatMap((name) => deeds.map((deed) => `the ${name} ${deed}.`)).join(' ');
    expect(darkScore(all, TRUTH)).toBe(0);
  });
});

describe('mixScore', () => {
  const accepted = ['it moved left', 'moved left', 'the red object moved left', 'the red star moved left'];
  it.each<[string, readonly string[], 0 | 1]>([
    ['it moved left', accepted, 1],
    ['It moved left.', accepted, 1],
    ['The red star moves left', accepted, 1],
    ['the red object moved left', accepted, 1],
    ['it moved right', accepted, 0],
    ['it moved left. it moved right.', accepted, 0],
    ['it moved left and right', accepted, 0],
    ['it moved left or it moved right', accepted, 0],
    ['the green star moved left', accepted, 0],
    ['', accepted, 0],
    ['the blue object touched it', ['the blue object touched it', 'the blue object'], 1],
    ['The blue object.', ['the blue object touched it', 'the blue object'], 1],
    ['the blue star touched it', ['the blue object touched it'], 1],
    ['the red object touched it', ['the blue object touched it'], 0],
  ])('of "%s" where %j are accepted is %d', (text, answers, score) => {
    expect(mixScore(text, answers)).toBe(score);
  });
});
