/** One example as elements of the page. Texts only ever become text nodes. */
import { change, judgedAnswer, verdict } from './filter.js';

/** An element. @param {object} attributes undefined ones are left out */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(key, value);
  element.append(...children.flat().filter((child) => child !== undefined && child !== ''));
  return element;
}

const hidden = (text) => make('span', { class: 'hidden' }, text);
const letter = (option) => String.fromCharCode(65 + option);
const MARKS = { right: '✓', wrong: '✗', '': '·' };

/** A link of the list. */
export function listItem(example, address) {
  const mark = make('span', { class: 'mark' });
  return make('li', {}, make('a', { href: address, tabindex: '-1' }, mark, ' ', example.question));
}

/** Shows in the list how the judged setting answered. */
export function markItem(link, example, filters) {
  const kind = verdict(example, judgedAnswer(example, filters));
  const mark = link.querySelector('.mark');
  mark.className = `mark ${kind}`;
  mark.replaceChildren(MARKS[kind], ...(kind ? [hidden(` ${kind}:`)] : []));
}

/** What the card of an example holds. */
export function cardContent(example, data, filters) {
  return [
    make('p', { class: 'tags' }, tags(example, filters)),
    make('h3', { id: 'card-title' }, example.question),
    frames(data.clips[example.clip]),
    optionTable(example, data.settings),
    make('div', { class: 'columns' }, teacherText(example), ownText(example)),
  ];
}

const CHANGES = {
  corrected: ['good', '✓ corrected'],
  lost: ['bad', '✗ lost'],
  changed: ['', 'answers differ'],
  same: ['', 'answered alike'],
};

function tags(example, filters) {
  const { split, type, dataset, id } = example;
  const plain = [split, dataset, type, id].map((text) => make('span', { class: 'tag' }, text));
  const told = change(example, filters).at(-1);
  if (!told) return plain;
  const [kind, text] = CHANGES[told];
  return [...plain, make('span', { class: `tag ${kind}` }, text)];
}

/** Every frame is a window on the clip's one picture. */
function frames({ type, data, width, height, times, error }) {
  if (error !== undefined) return make('p', { class: 'note' }, `No frames: ${error}.`);
  const items = times.map((time, i) => {
    const when = Number.isFinite(time) ? `${time.toFixed(1)} s` : `frame ${i + 1}`;
    const image = make('img', {
      src: `data:image/${type};base64,${data}`,
      alt: `Frame ${i + 1} of ${times.length}, ${when}`,
      style: `height: ${100 * times.length}%; top: ${-100 * i}%`,
    });
    const pane = make('span', { class: 'pane', style: `aspect-ratio: ${width} / ${height}` }, image);
    return make('li', {}, pane, make('span', { 'aria-hidden': 'true' }, when));
  });
  return make('ol', { class: 'frames' }, items);
}

/** A row an option, a column a setting that was asked. */
function optionTable(example, settings) {
  const asked = settings.flatMap(({ name }, i) =>
    example.answers[i] ? [{ name, answer: example.answers[i] }] : [],
  );
  const head = ['Option', ...asked.map(({ name }) => name)].map((text) => make('th', { scope: 'col' }, text));
  const rows = example.options.map((text, option) => {
    const right = option === example.answer;
    const name = make('th', { scope: 'row' }, make('span', { class: 'letter' }, letter(option)), ' ', text);
    if (right) name.append(' ', make('span', { class: 'pick good' }, '✓ right answer'));
    if (example.teacher?.predicted === option)
      name.append(' ', make('span', { class: 'pick plain' }, 'teacher’s answer'));
    const cells = asked.map(({ answer }) => answerCell(answer, option, example));
    return make('tr', right ? { class: 'right' } : {}, name, cells);
  });
  const caption = make('caption', { class: 'hidden' }, 'Options and what each setting answers');
  const table = make('table', {}, caption, make('thead', {}, make('tr', {}, head)), make('tbody', {}, rows));
  const label = 'Options and answers';
  return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, table);
}

function answerCell({ chosen, picks, probabilities }, option, { answer }) {
  const cell = make('td');
  const share = probabilities?.[option];
  if (share !== undefined) {
    const filled = make('span', { style: `width: ${share / 10}%` });
    cell.append(`${(share / 10).toFixed(1)} %`, make('span', { class: 'bar' }, filled));
  }
  const seeds = picks.filter((pick) => pick === option).length;
  if (chosen === option) {
    const kind = answer === null ? 'plain' : chosen === answer ? 'good' : 'bad';
    const mark = { good: '✓ ', bad: '✗ ', plain: '' }[kind];
    cell.append(make('span', { class: `pick ${kind}` }, `${mark}chosen`));
  }
  if (picks.length > 1 && seeds > 0) cell.append(make('small', {}, `${seeds} of ${picks.length} seeds`));
  return cell;
}

function teacherText({ teacher }) {
  if (!teacher) return undefined;
  const { correct, predicted, parts, note } = teacher;
  const judged = correct === null ? '' : correct ? ', whose answer is right' : ', whose answer is wrong';
  const silent = predicted === null ? ' (it named no option)' : '';
  const removed = parts.some(({ removedBy, text }) => removedBy !== undefined && text.trim() !== '');
  const told = [removed ? 'struck through: removed before training' : '', note ?? '']
    .filter(Boolean)
    .join('; ');
  return make(
    'section',
    { 'aria-labelledby': 'teacher-title' },
    make('h4', { id: 'teacher-title' }, `The teacher’s reasoning${judged}${silent}`),
    told && make('p', { class: 'note' }, `${told}.`),
    make('div', { class: 'reasoning' }, parts.map(part)),
  );
}

function part({ text, removedBy }) {
  if (removedBy === undefined || text.trim() === '') return text;
  return make('del', { title: `removed: ${removedBy}` }, hidden('[removed: '), text, hidden(']'));
}

function ownText({ own, split }) {
  if (!own && split === 'training') return undefined;
  const heading = own ? `The student’s own reasoning (${own.name})` : 'The student’s own reasoning';
  const text = own ? own.text.trim() || '(it wrote nothing)' : undefined;
  return make(
    'section',
    { 'aria-labelledby': 'own-title' },
    make('h4', { id: 'own-title' }, heading),
    text === undefined
      ? make('p', { class: 'note' }, 'It was not written for this question (reasvqa report --reasoning N).')
      : make('div', { class: 'reasoning own' }, text),
  );
}
