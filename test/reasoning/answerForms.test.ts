/** Forms of an answer in many languages: read, and removed by refinement. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { predictedAnswer, readAnswer, type Stated } from '../../src/reasoning/answer.js';
import { LANGUAGES } from '../../src/reasoning/languages.js';
import { refine } from '../../src/reasoning/refine.js';
import { describeWithShared, sharedPath } from '../support/shared.js';

const OPTIONS = ['open the lid', 'wave at her friend', 'tie the shoe', 'drink some tea', 'leave the room'];
const STEP = 'She kneels and both hands move at her foot.';

/** What is read from a reply, and what refinement leaves of it. */
function both(text: string, options = OPTIONS) {
  const answer = readAnswer(text, options);
  const settings = { options, answer: 2, correct: true, predicted: answer?.option ?? null };
  const { refined } = refine(text, settings);
  expect(refine(refined, settings).refined, 'refined twice').toBe(refined);
  return { answer, refined };
}

describe('every form of an answer is read and removed, and the sentence on the video stays', () => {
  const forms: [Stated, string[]][] = [
    [
      'boxed',
      [
        '\\boxed{C}',
        '$\\boxed{\\text{C}}$',
        '\\[\n\\boxed{(C)}\n\\]',
        'It ends in \\boxed{\\mathrm{C. tie the shoe}}.',
        '\\fbox{tie the shoe}',
        '<|begin_of_box|>C<|end_of_box|><|user|>',
        'We have \\boxed{B} first.\nLater, \\boxed{C}.',
      ],
    ],
    [
      'header',
      [
        '<answer>C</answer>',
        '<ANSWER>\n(C) tie the shoe\n</ANSWER>',
        '<final_answer>C.</final_answer>',
        '### Final Answer\n\n**C**',
        '**Answer:** [C]',
        'Answer: {C}',
        'Answer：（Ｃ）',
        'Correct answer - Ⓒ',
      ],
    ],
    [
      'phrase',
      [
        'The answer is [[C]].',
        'The right choice here is **C**.',
        'The answer is not A but C.',
        "The answer isn't A, but rather C.",
        'The best option is C, because of the laces.',
        'The answer is the third option.',
        'The answer is C<|im_end|>',
        'The answer is:\n\nC. tie the shoe',
        'My choice is C, I think.',
      ],
    ],
    [
      'conclusion',
      ['Hence, C.', 'Thus C', 'So C.', '=> (C)', 'Therefore: C. tie the shoe', 'Consequently, option C.'],
    ],
    [
      'list',
      [
        'A: wrong; B: wrong; C: correct; D: wrong.',
        'A ❌ B ❌ C ✅ D ❌',
        '- A. open the lid ❌\n- B. wave at her friend ❌\n- C. tie the shoe ✅',
        '| Option | Text | Verdict |\n|:--|---|:-:|\n| A | open the lid | no |\n| C | tie the shoe | yes |',
        'Option A: false. Option B: false. Option C: true.',
        '- [ ] A. open the lid\n- [x] C. tie the shoe',
      ],
    ],
    [
      'line',
      [
        '[C]',
        '[[C]]',
        '{C}',
        '**C**',
        '（Ｃ）',
        '**C. tie the shoe**',
        '👉 C',
        '✅ **C. tie the shoe**',
        'C</s>',
        '(C)<|endoftext|>',
      ],
    ],
    ['pointer', ['It must be C.', 'That leaves C.', 'The only fit is C!', 'Response: C', 'Final: (C)']],
    [
      'field',
      [
        '{"answer": "C"}',
        "{'final_answer': 'C. tie the shoe', 'confidence': 0.8}",
        '```json\n{"predictedOption": "tie the shoe"}\n```',
        '{"prediction": 2}',
        '[{"choice": "(C)",}]',
        '{"answer": {"letter": "C", "text": "tie the shoe"}',
      ],
    ],
  ];
  it.each(forms.flatMap(([stated, texts]) => texts.map((text) => [stated, text] as const)))(
    '%s: %j',
    (stated, text) => {
      expect(both(`${STEP}\n\n${text}`)).toEqual({ answer: { option: 2, stated }, refined: STEP });
    },
  );
  it.each([
    'C\n',
    '**C. tie the shoe**\n',
    '{"answer": "C"}\n',
    '<answer>C</answer>',
    'Answer: C<|im_end|>\n',
  ])('before the reasoning: %j', (text) => {
    expect(both(text + STEP)).toMatchObject({ answer: { option: 2 }, refined: STEP });
  });
  it.each([
    ' \\boxed{C}',
    ' **C**',
    ' (C)',
    '\\boxed{C}',
    '<|begin_of_box|>C<|end_of_box|>',
    '<answer>C</answer>',
  ])('behind the sentence, on its line: %j', (text) => {
    expect(both(STEP + text)).toMatchObject({ answer: { option: 2 }, refined: STEP });
  });
  it('a box around text that is no option loses only its marks', () => {
    expect(both('The angle is \\boxed{\\pi / 2}. Answer: C').refined).toBe('The angle is \\pi / 2.');
    expect(both('It takes <|begin_of_box|>3 s<|end_of_box|> here. So C.').refined).toBe('It takes 3 s here.');
  });
});

/** At least three replies of each language that state option C; `{L}` is the letter. */
const BY_LANGUAGE: Record<string, string[]> = {
  en: ['The correct option is {L}.', 'I would go with {L}.', 'Final answer: ({L})'],
  zh: ['因此答案选{L}。', '故選{L}', '選項{L}是正確的。', '最终答案：【{L}】', '答案不是B，而是{L}。'],
  ja: [
    'よって、答えは「{L}」となります。',
    '{L}が正解です。',
    '最も適切な選択肢は{L}です。',
    '正解はBではなく{L}です。',
  ],
  ko: ['따라서 정답은 {L}번입니다.', '최종 답변: {L}', '{L}가 정답입니다.', '정답은 B가 아니라 {L}입니다.'],
  es: [
    'Respuesta final: {L}',
    'La opción correcta es la {L}.',
    'Elijo la opción {L}.',
    'La respuesta no es B, sino {L}.',
  ],
  fr: [
    "La bonne réponse est l'option {L}.",
    'Je choisis {L}.',
    'Par conséquent, {L}.',
    "La réponse n'est pas B, mais {L}.",
  ],
  de: [
    'Richtig ist {L}.',
    'Daher ist Antwort {L} korrekt.',
    'Lösung: {L}',
    'Die Antwort ist nicht B, sondern {L}.',
  ],
  pt: [
    'A alternativa correta é a letra {L}.',
    'Portanto, {L}.',
    'Escolho a opção {L}.',
    'A resposta não é B, mas sim {L}.',
  ],
  it: [
    "L'opzione {L} è corretta.",
    'Quindi, la risposta giusta è {L}.',
    'Scelgo {L}.',
    'La risposta non è B, ma {L}.',
  ],
  nl: ['Ik kies voor optie {L}.', 'Het juiste antwoord is {L}.', 'Antwoord: {L}'],
  sv: ['Rätt svar är {L}.', 'Jag väljer {L}.', 'Svar: {L}'],
  pl: ['Prawidłową odpowiedzią jest {L}.', 'Wybieram {L}.', 'Odpowiedź to nie B, lecz {L}.'],
  ru: ['Правильный ответ — {L}.', 'Я выбираю вариант {L}.', 'Ответ: С', 'Ответ не B, а {L}.'],
  uk: ['Правильна відповідь — {L}.', 'Я обираю {L}.', 'Відповідь: {L}'],
  tr: ["Doğru cevap {L}'dir.", '{L} seçeneği doğrudur.', 'Cevap B değil, {L}.'],
  vi: ['Vì vậy, đáp án đúng là {L}.', 'Tôi chọn {L}.', 'Đáp án không phải là B mà là {L}.'],
  id: ['Jadi, jawabannya adalah {L}.', 'Saya memilih opsi {L}.', 'Jawabannya bukan B, melainkan {L}.'],
  th: ['ดังนั้น คำตอบที่ถูกต้องคือ {L}', 'คำตอบ: {L}', 'เลือกข้อ {L}'],
  ar: ['لذلك، الإجابة الصحيحة هي {L}.', 'أختار الخيار {L}.', 'الإجابة ليست B بل {L}.'],
  fa: ['پاسخ صحیح گزینه {L} است.', 'جواب: {L}', 'گزینه {L} صحیح است.'],
  hi: ['इसलिए, सही उत्तर {L} है।', 'सही विकल्प: {L}', 'उत्तर B नहीं, बल्कि {L} है।'],
  bn: ['সঠিক উত্তর হল {L}।', 'উত্তর: {L}', 'তাই সঠিক উত্তর {L}।'],
};

/** Replies that deny option C, hedge or refuse. */
const DENIED: Record<string, string[]> = {
  en: [
    'The answer is not C.',
    'It cannot be C.',
    'C is incorrect.',
    "I don't think C is correct.",
    'If the answer is C, he bows.',
    'Is the answer C?',
    'Answer: None of these',
    'The answer is A or C.',
  ],
  zh: [
    '答案不是C。',
    '选项C不正确。',
    'C是错误的。',
    '答案是A或C。',
    '无法确定答案。',
    '答案是A型血。',
    '不应该选C。',
    '答案既可以是A，也可以是C。',
  ],
  ja: ['正解はCではありません。', 'Cは間違いです。', '答えはAかCです。'],
  ko: ['정답은 C가 아닙니다.', 'C는 틀렸습니다.', '정답은 A 또는 C입니다.'],
  es: ['La respuesta no es C.', 'La opción C es incorrecta.', 'La respuesta es A o C.'],
  fr: ["La réponse n'est pas C.", "L'option C n'est pas correcte.", 'La réponse est A ou C.'],
  de: ['Die Antwort ist nicht C.', 'Option C ist falsch.', 'Die Antwort ist A oder C.'],
  pt: ['A resposta não é C.', 'A opção C está errada.', 'A bola cai. E ele ri. O gato vê.'],
  it: ['La risposta non è C.', "L'opzione C è sbagliata.", 'E lei ride. I bambini corrono. A casa.'],
  nl: ['Het antwoord is niet C.', 'Optie C is onjuist.', 'Het antwoord is A of C.'],
  pl: ['Odpowiedź to nie C.', 'Opcja C jest niepoprawna.', 'A ona klęczy. I wstaje. W pokoju.'],
  ru: ['Ответ не C.', 'Вариант C неверный.', 'А она встаёт. С мячом. В комнате.'],
  tr: ['Doğru cevap C değil.', 'C seçeneği yanlış.', 'C seçeneği doğru değil.'],
  vi: ['Đáp án không phải là C.', 'Đáp án C là sai.', 'Đáp án C không đúng.'],
  id: ['Jawabannya bukan C.', 'Opsi C salah.', 'Opsi C tidak benar.'],
  ar: ['الإجابة ليست C.', 'الخيار C غير صحيح.', 'الخيار C ليس صحيحا.'],
  hi: ['सही उत्तर C नहीं है।', 'विकल्प C गलत है।', 'विकल्प C सही नहीं है।'],
};

describe('a language', () => {
  it('has three replies or more in the table below', () => {
    for (const { code } of LANGUAGES) expect(BY_LANGUAGE[code]?.length, code).toBeGreaterThanOrEqual(3);
  });
  it.each(Object.entries(BY_LANGUAGE))('%s is read, with any letter, and removed', (_, texts) => {
    for (const text of texts) {
      for (const letter of text.includes('{L}') ? ['C', 'A', 'D'] : ['C']) {
        const reply = text.replaceAll('{L}', letter);
        const { answer, refined } = both(`${STEP}\n\n${reply}`);
        expect([answer?.option, refined], reply).toEqual(['ABCDE'.indexOf(letter), STEP]);
      }
    }
  });
  it.each(Object.entries(DENIED))(
    '%s: a denial, a hedge and a word of one letter are no answer',
    (_, texts) => {
      for (const text of texts) expect(readAnswer(text, OPTIONS), text).toBeNull();
    },
  );
  it.each<[string, string[], number]>([
    ['La respuesta correcta es recoger la pelota.', ['jugar', 'recoger la pelota'], 1],
    ['答案是捡球，因为他弯腰。', ['玩狗', '捡球'], 1],
    ['정답은 공을 줍기입니다.', ['공을 줍기', '개와 놀기'], 0],
    ['Правильный ответ: поднять мяч.', ['играть', 'поднять мяч'], 1],
  ])('names an option by its own words: %j', (text, options, index) => {
    expect(predictedAnswer(text, options)).toBe(index);
  });
});

describe('no answer is read', () => {
  it.each([
    'He drinks vitamin C.',
    'Plan B is ready, and camera A films her.',
    'Hence plan B.',
    'So, A dog barks. Thus A person enters.',
    'The options are A. B. C. D. E.',
    'A: open the lid, B: wave at her friend, C: tie the shoe.',
    'He said "tie the shoe" and left.',
    'C. elegans is a worm. E. coli is none.',
    '答案：F',
    'The answer is Z.',
    'Answer: A and C',
    'Answer: A. open the lid or C. tie the shoe',
    'Neither A nor C.',
    '\\boxed{A} or \\boxed{C}',
    '\\boxed{A, C}',
    '\\boxed{12}',
    'A ✅ B ❌ C ✅',
    'A: wrong; B: wrong',
    '{"answer": null, "reasoning": "She kneels."}',
    '{"answer": ["A", "C"]}',
    '{"answer": "C", "option": "open the lid"}',
    '{"answer": 5}',
    "I'm sorry, I can't help with that.",
  ])('from %j', (text) => {
    expect(readAnswer(text, OPTIONS)).toBeNull();
  });
});

describeWithShared('the cases of the field', ['field/answer-boxed/expected.json'], () => {
  const field = sharedPath('field');
  const json = (...path: string[]) => JSON.parse(readFileSync(join(field as string, ...path), 'utf8'));
  const lines = (...path: string[]) =>
    readFileSync(join(field as string, ...path), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  it.each(['answer-boxed', 'answer-chinese', 'answer-think', 'answer-languages'])('%s', (name) => {
    const replies = json(name, 'replies.json');
    const read = lines(name, 'questions.jsonl').map(({ id, options }) => [
      id,
      predictedAnswer(replies[`(${id})`].text, options),
    ]);
    expect(Object.fromEntries(read)).toEqual(json(name, 'expected.json'));
  });
  it('refine-forms', () => {
    const expected = json('refine-forms', 'expected.json');
    for (const row of lines('refine-forms', 'generated.jsonl')) {
      const { refined } = refine(row.reasoning, row);
      for (const text of expected[row.id].keep) expect(refined, row.id).toContain(text);
      for (const text of expected[row.id].drop) expect(refined, row.id).not.toContain(text);
    }
  });
});
