/** The parts of the page as elements. Texts only ever become text nodes. */

/** An element. @param {object} attributes undefined ones are left out */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined) element.setAttribute(key, value);
  element.append(...children.flat(2).filter((child) => child !== undefined && child !== ''));
  return element;
}

/** Pictures below this are drawings: each of their pixels is shown as it is. */
const DRAWN = 96;

function picture(source, alt) {
  const image = make('img', { src: source, alt });
  image.addEventListener('load', () => {
    image.classList.toggle('drawn', Math.max(image.naturalWidth, image.naturalHeight) <= DRAWN);
  });
  return image;
}

/** A choice among the videos; its picture comes later. */
export function videoChoice({ id, name }, checked) {
  const input = make('input', { type: 'radio', name: 'video', value: id });
  input.checked = checked;
  return make('label', { class: 'video' }, input, picture(undefined, ''), make('span', {}, name));
}

export function frameItems(frames) {
  return frames.map(({ seconds, image }, i) => {
    const when = `${seconds.toFixed(1)} s`;
    const alt = `Frame ${i + 1} of ${frames.length}, at ${when}`;
    return make('li', {}, picture(image, alt), make('span', { 'aria-hidden': 'true' }, when));
  });
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** The options with their bars. @param right text of the right option, where it is known */
function choices({ options, answer }, right) {
  const items = options.map(({ letter, text, probability }) => {
    const chosen = letter === answer;
    // A space before each, which is what it is read with.
    const marks = [
      chosen && [' ', make('span', { class: 'pick' }, 'chosen')],
      text === right && [' ', make('span', { class: 'pick good' }, '✓ right')],
    ].filter(Boolean);
    const line = [
      make('span', { class: 'letter' }, letter),
      make('span', { class: 'text' }, text, marks),
      probability === null ? '' : make('span', { class: 'share' }, percent(probability)),
    ];
    const filled = make('span');
    if (probability !== null) filled.style.width = `${100 * probability}%`;
    const bar = probability === null ? '' : make('span', { class: 'bar', 'aria-hidden': 'true' }, filled);
    return make('li', chosen ? { class: 'chosen' } : {}, make('div', { class: 'choice' }, line), bar);
  });
  return make('ol', { class: 'choices' }, items);
}

/** An answer so far: {report?, frames?, answerText?, reasoning?, writing, right?}. */
export function resultContent({ question, report, frames, answerText, reasoning, writing, right }) {
  const free = report && !report.options ? report.answer || '(it wrote nothing)' : answerText;
  return [
    make('h3', {}, question),
    report?.options ? choices(report, right) : free ? make('p', { class: 'free' }, free) : '',
    report?.notice ? make('p', { class: 'note' }, report.notice) : '',
    ...(reasoning === undefined
      ? []
      : [
          make('h4', {}, 'Reasoning'),
          make(
            'div',
            { class: `reasoning${writing ? ' writing' : ''}` },
            reasoning || (writing ? '' : '(it wrote none)'),
          ),
        ]),
    ...(frames ? [make('h4', {}, 'Frames it saw'), make('ol', { class: 'frames' }, frameItems(frames))] : []),
    report?.span === undefined ? '' : timeLine(report),
  ].filter((part) => part !== '');
}

const times = ([start, end]) => `${start.toFixed(1)} s to ${end.toFixed(1)} s`;

/** The span on a line as long as the video, with a mark at each frame; a span beyond the video makes the line longer. */
function timeLine({ span, duration, frames }) {
  if (span === null) return make('p', { class: 'note' }, 'It named no span of time.');
  const length = Math.max(duration ?? 0, span[1], ...frames.map(({ seconds }) => seconds)) || 1;
  const at = (seconds) => `${(100 * seconds) / length}%`;
  const bar = make('span', { class: 'span' });
  bar.style.left = at(span[0]);
  bar.style.width = at(span[1] - span[0]);
  const marks = frames.map(({ seconds }) => {
    const mark = make('span', { class: 'mark' });
    mark.style.left = at(seconds);
    return mark;
  });
  const of = duration === undefined ? '' : ` of ${duration.toFixed(1)} s`;
  return make(
    'figure',
    { class: 'time' },
    make('div', { class: 'line', 'aria-hidden': 'true' }, bar, marks),
    make('figcaption', {}, `When: ${times(span)}${of}`),
  );
}

/** The answer in one sentence, for the status line. */
export function sentence({ answer, options, span }) {
  const when = span ? `, ${times(span)}` : '';
  if (!options) return `Answer: ${answer || '(nothing)'}`;
  const { text, probability } = options.find(({ letter }) => letter === answer);
  return `Answer ${answer}: ${text}${probability === null ? '' : ` (${percent(probability)})`}${when}`;
}

export function historyItem({ video, report, right }) {
  const summary = make(
    'summary',
    {},
    report.question,
    ' ',
    make('span', { class: 'soft' }, sentence(report)),
  );
  const parts = resultContent({
    question: video,
    report,
    reasoning: report.reasoning,
    writing: false,
    right,
  });
  return make('li', {}, make('details', { class: 'card' }, summary, parts));
}
