/** Guesses answers from the text alone, which must not beat chance. */
import { Rng } from '../../src/base/random.js';
import type { ShapesQuestion } from '../../src/shapes/questions.js';
import { LOCATIONS } from '../../src/shapes/scene.js';

/** How likely an option looks to somebody who sees only the text. */
type Scorer = (question: ShapesQuestion, option: number) => number;

/** Simple ways to guess without the clip; the counting ones have seen the training questions. */
export function heuristics(train: ShapesQuestion[]): Record<string, Scorer> {
  const byText = count(train, ({ options, answer }) => options[answer]!);
  const byTemplate = count(train, ({ template, options, answer }) => `${template}/${options[answer]}`);
  const byQuestion = count(train, ({ question, options, answer }) => `${question}/${options[answer]}`);
  return {
    'the longest option': ({ options }, i) => options[i]!.length,
    'the shortest option': ({ options }, i) => -options[i]!.length,
    'the first position': (_, i) => -i,
    'the option that shares most words with the question': (q, i) => overlap(q, i),
    'the option that shares fewest words with the question': (q, i) => -overlap(q, i),
    'the option most like the others': (q, i) => likeness(q, i),
    'the option least like the others': (q, i) => -likeness(q, i),
    'the place in line with most of the others': (q, i) => inLine(q, i),
    'the place in line with fewest of the others': (q, i) => -inLine(q, i),
    'the most frequent answer': ({ options }, i) => byText.get(options[i]!) ?? 0,
    'the most frequent answer of the template': (q, i) =>
      byTemplate.get(`${q.template}/${q.options[i]}`) ?? 0,
    'the most frequent answer to the same words': (q, i) =>
      byQuestion.get(`${q.question}/${q.options[i]}`) ?? 0,
  };
}

function count(train: ShapesQuestion[], keyOf: (question: ShapesQuestion) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const question of train) counts.set(keyOf(question), (counts.get(keyOf(question)) ?? 0) + 1);
  return counts;
}

function overlap({ question, options }: ShapesQuestion, option: number): number {
  const asked = question.split(' ');
  return options[option]!.split(' ').filter((word) => asked.includes(word)).length;
}

function likeness({ options }: ShapesQuestion, option: number): number {
  const own = options[option]!.split(' ');
  return options
    .filter((_, i) => i !== option)
    .reduce((sum, other) => sum + other.split(' ').filter((word) => own.includes(word)).length, 0);
}

/** Places in the row or column of this one: objects move along them, and the other end of a way is offered too. */
function inLine({ options }: ShapesQuestion, option: number): number {
  const cells = options.map((text) => (LOCATIONS as readonly string[]).indexOf(text));
  const own = cells[option]!;
  return own < 0
    ? 0
    : cells.filter((cell) => cell % 3 === own % 3 || Math.floor(cell / 3) === Math.floor(own / 3)).length;
}

/** Conditional logistic regression over option words, pairs of question and option words, and pairs of options. */
export function trainTextOnly(train: ShapesQuestion[]): Scorer {
  const weights = new Map<string, number>();
  const score: Scorer = (question, i) =>
    features(question, i).reduce((sum, feature) => sum + (weights.get(feature) ?? 0), 0);
  const rng = new Rng('text-only');
  for (let epoch = 0; epoch < 3; epoch++) {
    const rate = 0.05 / (1 + epoch);
    for (const question of rng.shuffle([...train])) {
      const scores = question.options.map((_, i) => score(question, i));
      const exps = scores.map((value) => Math.exp(value - Math.max(...scores)));
      const total = exps.reduce((a, b) => a + b, 0);
      question.options.forEach((_, i) => {
        const error = (i === question.answer ? 1 : 0) - exps[i]! / total;
        for (const feature of features(question, i)) {
          weights.set(feature, (weights.get(feature) ?? 0) * (1 - 0.01 * rate) + rate * error);
        }
      });
    }
  }
  return score;
}

function features({ question, template, options }: ShapesQuestion, option: number): string[] {
  const text = options[option]!;
  const own = [...new Set(text.split(' '))];
  const asked = [...new Set(question.split(' '))];
  return [
    `position ${option}`,
    `option ${text}`,
    `template ${template} ${text}`,
    ...own.flatMap((word) => [`word ${word}`, ...asked.map((other) => `pair ${other} ${word}`)]),
    ...options.filter((_, i) => i !== option).map((other) => `beside ${other} ${text}`),
  ];
}
