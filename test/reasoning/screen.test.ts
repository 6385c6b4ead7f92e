/** The screen before the close reading of sentences. */
import { describe, expect, it } from 'vitest';
import { Rng } from '../../src/base/random.js';
import { Choices } from '../../src/reasoning/choices.js';
import { proseReply, readReply } from '../../src/reasoning/marks.js';
import { comparable, plainText } from '../../src/reasoning/plain.js';
import { mayHoldMarks, mayHoldVerdicts, mayNameOption } from '../../src/reasoning/screen.js';
import { Sentence } from '../../src/reasoning/sentence.js';
import { verdictsIn } from '../../src/reasoning/verdicts.js';

const choices = new Choices(['The blanket.', 'it moved left', 'The closet/cabinet.', 'no', 'a dog']);

/** Words of answers in several languages, letters, and words of any sentence. */
const WORDS = (
  'the answer is option choice correct best final therefore so thus hence A B C E F I a c (B) [C] **B** B. c. b) ' +
  'la respuesta es opción correcta die Antwort ist richtig la réponse la risposta resposta odpowiedź ответ вариант 答案是 选项 答え ' +
  'jawaban cevap seçenek đáp án choose select pick matches wähle escojo first second third one man blanket left no not none of these cannot ' +
  '### ### Conclusion: => - 1. ✅ ❌ wrong right it leaves "C" ‘A’ \\boxed{C} <answer> , : . ? opt*ion* vitamin dog\'s'
).split(' ');

function eachSentence(runs: number, body: (sentence: string) => void): void {
  const rng = new Rng('screen');
  for (let i = 0; i < runs; i++)
    body(Array.from({ length: 1 + rng.int(7) }, () => rng.pick(WORDS)).join(rng.int(9) ? ' ' : ''));
}

describe('the screen', () => {
  it('lets no sentence pass that the close reading would remove', () => {
    let passed = 0;
    eachSentence(4000, (sentence) => {
      if (mayNameOption(sentence)) return;
      passed++;
      const said = new Sentence(sentence, choices);
      const own = choices.texts.indexOf(comparable(sentence));
      expect([said.statesAnswer(), said.announcesAnswer()], sentence).toEqual([false, false]);
      choices.texts.forEach((_, i) => {
        if (i !== own) expect(said.pointsAt(i), sentence).toBe(false);
      });
    });
    expect(passed).toBeGreaterThan(200);
  });

  it('knows texts without verdicts and without marks', () => {
    eachSentence(3000, (sentence) => {
      const text = sentence.replaceAll(' . ', '.\n');
      if (!mayHoldVerdicts(text)) expect(verdictsIn(plainText(text), choices), text).toEqual([]);
      if (!mayHoldMarks(text)) expect(readReply(text), text).toEqual(proseReply(text));
    });
  });

  it.each([
    'The man walks to a door.',
    'In frame 2, the red star is at the top left.',
    'I see a dog.',
    "A man picks up the woman's bag, and it's red.",
    'This suggests that he matched the color.',
  ])('passes %j', (sentence) => expect(mayNameOption(sentence)).toBe(false));

  it.each([
    'A is seen.',
    'He says A fits.',
    'It is A',
    "'c'",
    "it's c",
    'the right one',
    'Therefore, A overall.',
    'Opcja b',
  ])('stops %j', (sentence) => expect(mayNameOption(sentence)).toBe(true));
});
