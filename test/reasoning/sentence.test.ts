/** What the quick looks at a sentence leave out, beside a close reading of it. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Choices } from '../../src/reasoning/choices.js';
import { cuesIn } from '../../src/reasoning/cues.js';
import { leaningIn } from '../../src/reasoning/leaning.js';
import { plainText, withoutAssurances } from '../../src/reasoning/plain.js';
import { mayHoldOption } from '../../src/reasoning/reading/brief.js';
import { claimsLetter, placesIn } from '../../src/reasoning/reading/mentions.js';
import { pointers } from '../../src/reasoning/reading/pointers.js';
import { statedBy } from '../../src/reasoning/reading/stated.js';
import { concludedIn } from '../../src/reasoning/reading/worded.js';
import { mayCueWords, mayNameByMark } from '../../src/reasoning/screen.js';
import { Sentence } from '../../src/reasoning/sentence.js';
import { segment } from '../../src/reasoning/sentences.js';
import { sharedPath } from '../support/shared.js';

interface Said {
  options: string[];
  plain: string;
}

const plainOf = (sentence: string) => withoutAssurances(plainText(sentence)).trim();

/** The sentences of all labelled replies, each with its options. */
function sentencesOfReplies(): Said[] {
  const folder = new URL('.', import.meta.url);
  const files = readdirSync(folder).filter((name) => /^replies.*\.txt$/.test(name));
  return files.flatMap((file) => {
    let options: string[] = [];
    return readFileSync(new URL(file, folder), 'utf8')
      .split('\n')
      .flatMap((line): Said[] => {
        if (line.startsWith('Q:')) options = line.slice(2).split('|');
        const text = /^(?:[A-E]|-[a-z]*)~(.*)$/.exec(line)?.[1]?.replaceAll('\\n', '\n') ?? '';
        return segment(text).map(({ start, end }) => ({ options, plain: plainOf(text.slice(start, end)) }));
      });
  });
}

const WORDS = (
  'the answer is option choice correct best final therefore so thus a an picks picked chooses matches pick up goes with most likely ' +
  'la risposta respuesta es correcta die Antwort ist richtig jawaban reason description explains suggests that means : - # , . not no ' +
  "none unclear cannot be anything other than without a doubt to for in this question first one man's closet letter only Cover"
).split(' ');

/** The sentences of real texts, where they are present. */
function sentencesOfTexts(): Said[] {
  const file = sharedPath('data/reasoning/star_video_llava_vot_results.jsonl');
  if (!file) return [];
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .filter((_, i) => i % 4 === 0)
    .flatMap((line) => {
      const { choices, object_descriptions: text } = JSON.parse(line);
      const options = choices.map(([option]: [string]) => option);
      return segment(text).map(({ start, end }) => ({ options, plain: plainOf(text.slice(start, end)) }));
    });
}

/** Mixtures of words for answers, of words of the options, and of parts of sentences. */
function mixtures(said: readonly Said[], runs: number): Said[] {
  const rng = new Rng('sentence');
  return Array.from({ length: runs }, () => {
    const { options, plain } = rng.pick(said);
    const words = () =>
      rng.pick([rng.pick(WORDS), rng.pick(WORDS), rng.pick(options), rng.pick(plain.split(' '))]);
    return { options, plain: plainOf(Array.from({ length: 2 + rng.int(7) }, words).join(' ')) };
  });
}

const replies = sentencesOfReplies();
const all = [...replies, ...sentencesOfTexts(), ...mixtures(replies, 4000)];

describe('a sentence without a mark that names an option', () => {
  const unmarked = all.flatMap(({ options, plain }) => {
    const choices = new Choices(options);
    return mayNameByMark(plain) ? [] : [{ choices, plain }];
  });

  it('is found often', () => {
    expect(unmarked.length).toBeGreaterThan(2000);
    expect(unmarked.filter(({ plain }) => !mayCueWords(plain)).length).toBeGreaterThan(1000);
  });

  it('names none by letter or place', () => {
    const named = unmarked.filter(
      ({ choices, plain }) =>
        choices.mentions(plain).length > 0 ||
        pointers(plain, choices, cuesIn(plain)).length > 0 ||
        placesIn(plain, choices).length > 0 ||
        leaningIn(plain, choices) !== undefined ||
        choices.texts.some((_, i) => claimsLetter(plain, i, choices)),
    );
    expect(named).toEqual([]);
  });

  it('states and announces none without a cue for words', () => {
    const stated = unmarked.filter(({ choices, plain }) => {
      if (mayCueWords(plain)) return false;
      const cues = cuesIn(plain);
      const forms = cues.flatMap(({ headers, statement }) => [...headers, statement]);
      const ends = (form: RegExp) =>
        [...plain.matchAll(form)].some(({ index, 0: cue }) => index + cue.length === plain.length);
      return statedBy(plain, choices, cues) !== undefined || forms.some(ends);
    });
    expect(stated).toEqual([]);
  });
});

it('concludes no option that the quick look does not find', () => {
  const missed = all.filter(({ options, plain }) => {
    const choices = new Choices(options);
    const index = concludedIn(plain, choices);
    const marked = mayNameByMark(plain);
    return index !== undefined && !marked && !mayHoldOption(plain, index, choices);
  });
  expect(missed).toEqual([]);
});

it.each([
  ['The best answer is:', [false, true, false]],
  ['"A dog" is the best description of it.', [true, false, true]],
  ['He picked up a box to answer the question.', [false, false, false]],
  ['The person picked a dog.', [false, false, false]],
  ['He picked a cat.', [false, false, false]],
  ['The option that best describes it is a dog.', [true, false, true]],
])('reads %j', (text, expected) => {
  const said = new Sentence(text, new Choices(['the cat', 'a dog']));
  expect([said.statesAnswer(), said.announcesAnswer(), said.pointsAt(1)]).toEqual(expected);
});
