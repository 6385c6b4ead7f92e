/** The browser of examples: filters, list, card, keyboard and address. All that can change is in `state`. */
import { cardContent, listItem, markItem } from './card.js';
import { countText, matches, searchable } from './filter.js';

const byId = (id) => document.getElementById(id);
const form = byId('filters');
const data = JSON.parse(byId('report-data').textContent);
const { examples } = data;
const haystacks = examples.map(searchable);

const addressOf = ({ key }) => `#/${key.split('/').map(encodeURIComponent).join('/')}`;
const items = examples.map((example) => listItem(example, addressOf(example)));
const links = items.map((item) => item.firstElementChild);

const state = {
  filters: readFilters(),
  /** Indices of the examples that the filters leave. */
  found: [],
  /** Index of the example in the card; -1 when none is left. */
  current: 0,
};

function readFilters() {
  return Object.fromEntries(new FormData(form));
}

/** Changes the state and shows it. */
function update(change) {
  const { filters, current } = Object.assign(state, change);
  if (change.filters)
    state.found = examples.flatMap((e, i) => (matches(e, filters, haystacks[i]) ? [i] : []));
  if (!state.found.includes(current)) state.current = state.found[0] ?? -1;
  if (change.filters) showList();
  showCurrent();
}

function showList() {
  const shown = new Set(state.found);
  items.forEach((item, i) => {
    item.hidden = !shown.has(i);
    if (shown.has(i)) markItem(links[i], examples[i], state.filters);
  });
  const found = state.found.map((i) => examples[i]);
  byId('count').textContent = countText(found, examples.length, state.filters);
}

function showCurrent() {
  const { current, found } = state;
  links.forEach((link, i) => {
    link.tabIndex = i === current ? 0 : -1;
    if (i === current) link.setAttribute('aria-current', 'true');
    else link.removeAttribute('aria-current');
  });
  const place = found.indexOf(current);
  byId('place').textContent = current < 0 ? 'No example' : `Example ${place + 1} of ${found.length}`;
  byId('previous').setAttribute('aria-disabled', String(place <= 0));
  byId('next').setAttribute('aria-disabled', String(place === found.length - 1));
  byId('card').hidden = current < 0;
  if (current < 0) return;
  byId('card').replaceChildren(...cardContent(examples[current], data, state.filters));
  keepInView(links[current]);
}

/** Scrolls the list, never the page. */
function keepInView(link) {
  const list = byId('list');
  const [outer, inner] = [list.getBoundingClientRect(), link.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/** Goes to the example at a place among those found, and gives it an address. */
function go(place) {
  const to = state.found[Math.max(0, Math.min(state.found.length - 1, place))];
  if (to === undefined || to === state.current) return;
  history.replaceState(null, '', addressOf(examples[to]));
  update({ current: to });
}

const step = (by) => go(state.found.indexOf(state.current) + by);

/** Opens the example that the address names; filters that hide it are cleared. */
function open() {
  const index = examples.findIndex((example) => addressOf(example) === location.hash);
  if (index < 0) return false;
  if (!state.found.includes(index)) {
    form.reset();
    update({ filters: readFilters(), current: index });
  } else update({ current: index });
  return true;
}

const LIST_KEYS = {
  ArrowUp: () => step(-1),
  ArrowDown: () => step(1),
  Home: () => go(0),
  End: () => go(state.found.length - 1),
};

/** Left and right go through the examples, except where they already mean something. */
function onKey(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const inList = byId('list').contains(event.target);
  const busy = event.target.closest('input, select, textarea, [contenteditable], .scroll, details');
  const sideways = { ArrowLeft: () => step(-1), ArrowRight: () => step(1) };
  const action = (inList && LIST_KEYS[event.key]) || (!busy && sideways[event.key]);
  if (!action) return;
  event.preventDefault();
  action();
  if (inList) links[state.current]?.focus({ preventScroll: true });
}

byId('list').replaceChildren(...items);
form.addEventListener('input', () => update({ filters: readFilters() }));
form.addEventListener('submit', (event) => event.preventDefault());
// The fields have their old values until the event is over.
form.addEventListener('reset', () => setTimeout(() => update({ filters: readFilters() })));
byId('previous').addEventListener('click', () => step(-1));
byId('next').addEventListener('click', () => step(1));
addEventListener('keydown', onKey);
addEventListener('hashchange', open);
update({ filters: readFilters() });
if (open()) byId('examples').scrollIntoView();
