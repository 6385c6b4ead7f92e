/**
 * Which examples the filters leave, and how an example is judged. Nothing of the document in here.
 *
 * @typedef {import('./data.js').PageExample} PageExample
 * @typedef {object} Filters every field is '' where it asks for nothing
 * @property {string} text words that all have to be in an example
 * @property {string} split `validation` or `training`
 * @property {string} type of the question
 * @property {string} answer `right` or `wrong`, of the judged setting
 * @property {string} setting index of the judged setting; '' is the last that was asked
 * @property {string} changed `changed`, `same`, `corrected` or `lost`
 * @property {string} reasoning `teacher` or `student`: whose is there
 */

/** The judged setting's answer, or undefined where it was not asked. */
export function judgedAnswer(example, { setting }) {
  const asked = example.answers.filter((answer) => answer !== null);
  return (setting === '' ? asked.at(-1) : example.answers[Number(setting)]) ?? undefined;
}

/** 'right', 'wrong', or '' where nothing tells. */
export function verdict(example, answer) {
  if (!answer || example.answer === null) return '';
  return answer.chosen === example.answer ? 'right' : 'wrong';
}

/** How the judged setting differs from the first that was asked. */
export function change(example, filters) {
  const asked = example.answers.filter((answer) => answer !== null);
  if (asked.length < 2) return [];
  const changed = asked.some(({ chosen }) => chosen !== asked[0].chosen) ? 'changed' : 'same';
  const [before, after] = [verdict(example, asked[0]), verdict(example, judgedAnswer(example, filters))];
  if (before === 'wrong' && after === 'right') return [changed, 'corrected'];
  return before === 'right' && after === 'wrong' ? [changed, 'lost'] : [changed];
}

const plain = (text) => text.normalize('NFKC').toLowerCase();

/** Everything of an example that a search looks at. */
export function searchable({ id, type, question, options, teacher, own }) {
  const parts = teacher?.parts.map(({ text }) => text) ?? [];
  return plain([id, type, question, ...options, parts.join(''), own?.text ?? ''].join('\n'));
}

/** @param {string} haystack {@link searchable} of the example */
export function matches(example, filters, haystack) {
  const { text, split, type, answer, changed, reasoning } = filters;
  const words = plain(text).split(/\s+/).filter(Boolean);
  return (
    words.every((word) => haystack.includes(word)) &&
    (split === '' || example.split === split) &&
    (type === '' || example.type === type) &&
    (answer === '' || verdict(example, judgedAnswer(example, filters)) === answer) &&
    (changed === '' || change(example, filters).includes(changed)) &&
    (reasoning === '' || Boolean(reasoning === 'teacher' ? example.teacher : example.own))
  );
}

/** What the filters leave, in words. @param {PageExample[]} found @param {number} all */
export function countText(found, all, filters) {
  const verdicts = found.map((example) => verdict(example, judgedAnswer(example, filters)));
  const count = (wanted) => verdicts.filter((given) => given === wanted).length;
  const judged = count('right') + count('wrong');
  const told = judged === 0 ? '' : `; ${count('right')} answered right, ${count('wrong')} wrong`;
  return `${found.length} of ${all} examples${told}`;
}
