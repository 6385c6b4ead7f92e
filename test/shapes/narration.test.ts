/** Prose about two frames is true. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { factsOf } from '../../src/shapes/language.js';
import { narrate } from '../../src/shapes/narration.js';
import { type Clip, COLOURS, LOCATIONS, restStates } from '../../src/shapes/scene.js';
import { simulateClip } from '../../src/shapes/simulate.js';

const INTRO = 'Let us look at the frames step by step:\n\n';
const OUTCOME = {
  push: 'moves away',
  vanish: 'vanishes',
  shrink: 'shrinks',
  grow: 'grows',
  paint: 'changes colour',
};

/** The sentences without their layout. */
function sentencesOf(text: string): string[] {
  const told = text.startsWith(INTRO) ? text.slice(INTRO.length) : text;
  return told
    .split('\n')
    .flatMap((line) => line.replace(/^(\d\.|-) /, '').match(/[A-Z][^.]*\./g) ?? ['?'])
    .map((sentence) => sentence.slice(0, -1));
}

/** Whether a sentence is true, from the clip's events and states alone. */
function holds(clip: Clip, sentence: string): boolean {
  const states = restStates(clip);
  const find = (name: string) => {
    const [colour, shape] = name.split(' ');
    return clip.objects.findIndex((object) => object.colour === colour && object.shape === shape);
  };
  const standing = /^In frame (\d), (.*)$/.exec(sentence);
  if (standing) {
    return standing[2]!.split(' and ').every((part) => {
      const [, name, place] = /^the (\w+ \w+) is at the (.*)$/.exec(part)!;
      const state = states[Number(standing[1]) - 1]![find(name!)]!;
      return state.alpha > 0 && LOCATIONS[state.cell] === place;
    });
  }
  const absent = /^There is no (.*) object$/.exec(sentence);
  if (absent) {
    const colours = absent[1]!.split(/, | or /);
    return colours.every(
      (colour) =>
        COLOURS.some((c) => c === colour) && clip.objects.every((object) => object.colour !== colour),
    );
  }
  const after = /^After the touch, the (\w+ \w+) (.*)$/.exec(sentence);
  if (after) {
    const object = find(after[1]!);
    return clip.events.some(
      (event) => event.object === object && event.kind !== 'move' && OUTCOME[event.kind] === after[2],
    );
  }
  const [, from, to, what] = /^From frame (\d) to frame (\d), (.*)$/.exec(sentence)!;
  const beat = Number(from);
  const events = clip.events.filter((event) => event.beat === beat);
  if (Number(to) !== beat + 1) return false;
  if (what === 'every object stays still') return events.length === 0;
  const still = /^the (\w+ \w+) stays still$/.exec(what!);
  if (still) return events.every((event) => event.object !== find(still[1]!));
  const clauses = what!.split(', ');
  return (
    clauses.length === events.length &&
    events.every((event, i) => clauses[i]!.startsWith(`the ${clip.objects[event.object]!.colour} `))
  );
}

describe('narrate', () => {
  it('is true of the clip, in one to three sentences', () => {
    const rng = new Rng('narration-test');
    const lengths = new Set<number>();
    const kinds = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const clip = simulateClip(`narration/${i}`, { frames: 16 });
      const sentences = sentencesOf(narrate(factsOf(clip), rng));
      lengths.add(sentences.length);
      for (const sentence of sentences) {
        kinds.add(sentence.split(' ')[0]!);
        expect({ clip: clip.id, sentence, holds: holds(clip, sentence) }).toMatchObject({ holds: true });
      }
    }
    expect([...lengths].sort()).toEqual([1, 2, 3]);
    expect([...kinds].sort()).toEqual(['After', 'From', 'In', 'There']);
  });

  it('never says why', () => {
    const rng = new Rng('narration-why');
    for (let i = 0; i < 200; i++)
      expect(narrate(factsOf(simulateClip(`narration/${i}`, { frames: 16 })), rng)).not.toMatch(
        /\bso\b|because|paint things|make things|push things|answer/i,
      );
  });
});
