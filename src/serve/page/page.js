/** The page: what is chosen, asked and answered. All that can change is in `state`. */
import { ask, call, Refused } from './stream.js';
import { frameItems, historyItem, resultContent, sentence, videoChoice } from './view.js';

const byId = (id) => document.getElementById(id);
const HISTORY = 'reasvqa-history';
/** Entries of the history that are kept. */
const KEPT = 50;
/** What a description is asked with where nothing is written. */
const DESCRIBE = 'Describe what happens in the video.';
/** What the status says before a question. */
const READY = byId('status').textContent;

const state = {
  limits: { uploadBytes: Number.POSITIVE_INFINITY },
  videos: [],
  /** Id of the chosen video. */
  chosen: undefined,
  /** Previews by id, as promises. */
  previews: new Map(),
  /** Ends the question under way. */
  asking: undefined,
  uploading: false,
  history: storedHistory(),
};

function storedHistory() {
  try {
    return JSON.parse(sessionStorage.getItem(HISTORY)) ?? [];
  } catch {
    return [];
  }
}

// Videos

const current = () => state.videos.find(({ id }) => id === state.chosen);

function showVideos() {
  byId('videos').replaceChildren(
    ...state.videos.map((video) => videoChoice(video, video.id === state.chosen)),
  );
  for (const { id } of state.videos) {
    previewOf(id).then((frames) => {
      const image = byId('videos').querySelector(`[value="${CSS.escape(id)}"] + img`);
      if (image) image.src = frames[frames.length >> 1].image;
    }, ignore);
  }
}

const ignore = () => {};

function previewOf(id) {
  if (!state.previews.has(id))
    state.previews.set(
      id,
      call(`/api/videos/${encodeURIComponent(id)}/frames`).then(({ frames }) => frames),
    );
  return state.previews.get(id);
}

/** Chooses a video; an example brings its first question. */
async function choose(id) {
  state.chosen = id;
  const video = current();
  byId('remove').hidden = video?.kind !== 'upload';
  byId('preview').replaceChildren();
  if (!state.asking) {
    // An answer about another video is in the history.
    byId('result').replaceChildren();
    tell(READY);
  }
  if (!video) return;
  suggest(video);
  try {
    const frames = await previewOf(id);
    if (state.chosen === id) byId('preview').replaceChildren(...frameItems(frames));
  } catch (error) {
    if (state.chosen === id) showError(error);
  }
}

function suggest({ questions }) {
  const buttons = questions.map((each) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = each.question;
    button.addEventListener('click', () => fill(each));
    return button;
  });
  byId('suggestions').replaceChildren(...buttons);
  // A question that somebody has typed stays.
  const typed = byId('question').value.trim() !== '' && !isSuggested();
  if (questions.length > 0 && !typed) fill(questions[0]);
  else if (questions.length === 0 && isSuggested()) fill({ question: '', options: [] });
}

const isSuggested = () => suggestion() !== undefined;

/** The example question that the fields hold, unchanged. */
function suggestion(video) {
  const from = video ? [video] : state.videos;
  const question = byId('question').value.trim();
  const options = optionTexts().join('\n');
  return from
    .flatMap(({ questions }) => questions)
    .find((each) => each.question === question && each.options.join('\n') === options);
}

function fill({ question, options }) {
  byId('question').value = question;
  byId('options').value = options.join('\n');
}

const optionTexts = () =>
  byId('options')
    .value.split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

async function upload(file) {
  if (!file || state.uploading) return;
  showError();
  const { uploadBytes } = state.limits;
  if (file.size > uploadBytes)
    return showError(
      new Refused(`${file.name} has ${mega(file.size)}, at most ${mega(uploadBytes)} are taken.`),
    );
  state.uploading = true;
  byId('upload').textContent = `Uploading ${file.name}, ${mega(file.size)}`;
  try {
    const address = `/api/videos?name=${encodeURIComponent(file.name)}`;
    const headers = { 'content-type': 'application/octet-stream' };
    const video = await call(address, { method: 'POST', headers, body: file });
    state.videos.push(video);
    state.chosen = video.id;
    showVideos();
    byId('upload').textContent = `${video.name} is here.`;
    await choose(video.id);
    byId('question').focus();
  } catch (error) {
    byId('upload').textContent = '';
    showError(error);
  } finally {
    state.uploading = false;
    byId('file').value = '';
  }
}

const mega = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

async function removeChosen() {
  const { id, name } = current();
  try {
    await call(`/api/videos/${encodeURIComponent(id)}`, { method: 'DELETE' });
  } catch (error) {
    return showError(error);
  }
  state.videos = state.videos.filter((video) => video.id !== id);
  state.previews.delete(id);
  state.chosen = state.videos[0]?.id;
  showVideos();
  byId('upload').textContent = `${name} is removed.`;
  choose(state.chosen);
  (byId('videos').querySelector(':checked') ?? byId('file')).focus();
}

// Questions

function showError(error) {
  const text =
    error instanceof Refused ? error.message : error && 'The server cannot be reached. Is it running?';
  byId('error').textContent = text ? text[0].toUpperCase() + text.slice(1) : '';
  if (text) byId('status').textContent = '';
  if (text) byId('error').scrollIntoView({ block: 'nearest' });
}

const tell = (text) => {
  if (byId('status').textContent !== text) byId('status').textContent = text;
};

/** What the fields say, or a sentence about what is missing. */
function request() {
  const kind = byId('task').value;
  const question = byId('question').value.trim() || (kind === 'caption' ? DESCRIBE : '');
  if (state.chosen === undefined) return 'Choose a video first.';
  if (question === '') return 'Write a question first.';
  // A description chooses from nothing.
  const options = kind === 'caption' ? [] : optionTexts();
  const task = kind === 'ground' && options.length > 0 ? 'grounded-choice' : kind;
  const seconds = (id) => byId(id).value.trim().replace(',', '.');
  for (const id of ['start', 'end'])
    if (seconds(id) !== '' && !(Number(seconds(id)) >= 0)) return 'From and to are numbers of seconds.';
  return {
    ...{ video: state.chosen, question, reasoning: byId('reasoning').checked },
    ...(options.length > 0 && { options }),
    ...(task !== '' && { task }),
    ...(seconds('start') !== '' && { start: Number(seconds('start')) }),
    ...(seconds('end') !== '' && { end: Number(seconds('end')) }),
  };
}

function setAsking(controller) {
  state.asking = controller;
  byId('ask').setAttribute('aria-disabled', String(controller !== undefined));
  byId('cancel').hidden = controller === undefined;
}

async function submit() {
  if (state.asking) return;
  showError();
  const body = request();
  if (typeof body === 'string') {
    showError(new Refused(body));
    if (state.chosen !== undefined) byId('question').focus();
    return;
  }
  const video = current();
  const known = suggestion(video);
  const shown = { question: body.question, right: known?.options[known.answer] };
  const show = (change) => {
    Object.assign(shown, change);
    byId('result').replaceChildren(...resultContent(shown));
  };
  setAsking(new AbortController());
  show({});
  tell('Sent.');
  showAnswer();
  try {
    for await (const event of ask(body, state.asking.signal)) follow(event, body, show);
    remember({ video: video.name, report: shown.report, right: shown.right });
  } catch (error) {
    show({ writing: false });
    if (state.asking.signal.aborted) tell('Cancelled.');
    else showError(error);
  } finally {
    setAsking(undefined);
  }
}

/** On a phone the answer is below the form: it is brought to the top of the screen. */
function showAnswer() {
  const block = matchMedia('(max-width: 860px)').matches ? 'start' : 'nearest';
  byId('answer').scrollIntoView({ block });
}

function follow(event, body, show) {
  switch (event.event) {
    case 'queued':
      return tell(
        event.place === 0 ? 'Looking at the video.' : `Waiting, place ${event.place} in the queue.`,
      );
    case 'frames':
      return show({ frames: event.frames });
    case 'answer':
      tell(sentence(event.report));
      show({ report: event.report, ...(body.reasoning && { reasoning: '', writing: true }) });
      return showAnswer();
    case 'text':
      return show(event.part === 'answer' ? { answerText: event.text } : { reasoning: event.text });
    case 'done': {
      const { reasoning } = event.report;
      tell(`${sentence(event.report)}.${reasoning === undefined ? '' : ' The reasoning is written.'}`);
      return show({ report: event.report, reasoning, writing: false });
    }
  }
}

// History

function remember(entry) {
  state.history = [entry, ...state.history].slice(0, KEPT);
  storeHistory();
}

function storeHistory() {
  try {
    sessionStorage.setItem(HISTORY, JSON.stringify(state.history));
  } catch {
    // A browser that keeps nothing shows the history until the page closes.
  }
  showHistory();
}

function showHistory() {
  byId('history-part').hidden = state.history.length === 0;
  byId('history').replaceChildren(...state.history.map(historyItem));
}

// The page

async function begin() {
  showHistory();
  try {
    const { videos, model, ships, frames, uploadBytes } = await call('/api/state');
    Object.assign(state, { videos, limits: { uploadBytes }, chosen: videos[0]?.id });
    const told = ships
      ? 'The small model that comes with it knows a world of coloured shapes, and errs often.'
      : '';
    byId('summary').textContent =
      `A model looks at ${frames} frames of a video, chooses an answer and writes its reasoning. ${told}`;
    byId('facts').textContent = `Model: ${model}. Nothing leaves the machine that serves this page.`;
    showVideos();
    await choose(state.chosen);
  } catch (error) {
    showError(error);
  }
}

byId('videos').addEventListener('change', ({ target }) => choose(target.value));
byId('file').addEventListener('change', ({ target }) => upload(target.files[0]));
byId('remove').addEventListener('click', removeChosen);
byId('form').addEventListener('submit', (event) => {
  event.preventDefault();
  submit();
});
byId('cancel').addEventListener('click', () => {
  state.asking?.abort();
  byId('ask').focus();
});
byId('clear').addEventListener('click', () => {
  state.history = [];
  storeHistory();
  byId('question').focus();
});
byId('form').addEventListener('keydown', (event) => {
  const asks = event.key === 'Enter' && !event.shiftKey && !event.isComposing;
  const commanded = asks && (event.ctrlKey || event.metaKey);
  if (commanded || (asks && event.target === byId('question'))) {
    event.preventDefault();
    submit();
  }
});
for (const type of ['dragover', 'dragleave', 'drop'])
  addEventListener(type, (event) => {
    event.preventDefault();
    document.body.classList.toggle('over', type === 'dragover');
    if (type === 'drop') upload(event.dataTransfer.files[0]);
  });
begin();
