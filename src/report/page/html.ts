/** A report as one HTML page that asks for nothing outside itself. */
import type { AccuracyTable } from '../accuracy.js';
import { escapeHtml as e } from '../escape.js';
import { type Plot, plotSvg } from '../plot.js';
import type { TaskTable } from '../tasks.js';
import { accuracyTable, tiles } from './accuracy.js';
import type { PageData } from './data.js';
import { hashOf, readProgram, readStyle, scriptJson } from './inline.js';

/** Everything on the page. Texts are plain text; whatever they hold is escaped here. */
export interface ReportContent {
  title: string;
  /** Two or three sentences: what was run and what came out. */
  summary: string;
  tables: AccuracyTable[];
  /** Metrics of all tasks, where there are others than choice. */
  tasks?: TaskTable | undefined;
  figures: { title: string; svg: string }[];
  plots: Plot[];
  /** Engine, machine, data, time: shown in this order. */
  facts: Fact[];
  /** One row a run, under a row of heads. */
  runs: string[][];
  /** What all runs have in common, key by key. */
  configuration: Fact[];
  /** Remarks under the tables, one paragraph each. */
  notes: string[];
  /** What the report had to go on without. */
  notices: string[];
  examples: PageData;
  /** Questions that the examples were taken from. */
  available: number;
}

export interface Fact {
  label: string;
  value: string;
}

export async function renderPage(content: ReportContent): Promise<string> {
  const { title, summary } = content;
  const program = await readProgram();
  const sections = [
    section('accuracy', 'Accuracy', accuracySection(content)),
    section('tasks', 'Tasks', taskSection(content)),
    section('figures', 'Figures', content.figures.map(figure).join('\n')),
    section('curves', 'Learning curves', curves(content.plots)),
    section('examples', 'Examples', examples(content)),
    section('settings', 'Settings', settings(content)),
  ].filter(({ html }) => html !== '');
  const links = sections.map(({ id, heading }) => `<a href="#${id}">${heading}</a>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src ${hashOf(program)}; base-uri 'none'; form-action 'none'">
<title>${e(title)}</title>
<style>${await readStyle()}</style>
</head>
<body>
<header>
<p class="eyebrow">ReasVQA report</p>
<h1>${e(title)}</h1>
<p class="summary">${e(summary)}</p>
<nav class="sections" aria-label="Sections">${links.join('')}</nav>
</header>
<main>
${content.tables.map(tiles).join('\n')}
${notices(content.notices)}
${sections.map(({ html }) => html).join('\n')}
</main>
<footer>One file without outside requests: keep it, mail it, print it.</footer>
${dataAndProgram(content.examples, program)}
</body>
</html>
`;
}

/** The program expects the elements of {@link examples}. */
function dataAndProgram(data: PageData, program: string): string {
  if (data.examples.length === 0) return '';
  return `<script type="application/json" id="report-data">${scriptJson(data)}</script>
<script type="module">${program}</script>`;
}

function section(
  id: string,
  heading: string,
  content: string,
): { id: string; heading: string; html: string } {
  const html =
    content.trim() === ''
      ? ''
      : `<section aria-labelledby="${id}">\n<h2 id="${id}">${heading}</h2>\n${content}\n</section>`;
  return { id, heading, html };
}

function notices(lines: readonly string[]): string {
  if (lines.length === 0) return '';
  const items = lines.map((line) => `<li>${e(line)}</li>`).join('');
  return `<section aria-labelledby="missing"><h2 id="missing">What is missing</h2><ul class="card notices">${items}</ul></section>`;
}

/** Of runs without choice questions the tasks tell what came out. */
function accuracySection({ tables, tasks, notes }: ReportContent): string {
  const none = tasks ? [] : ['<p>No run was evaluated.</p>'];
  const html = tables.length > 0 ? tables.map(accuracyTable) : none;
  return [...html, ...notes.map((note) => `<p class="note">${e(note)}</p>`)].join('\n');
}

function taskSection({ tasks }: ReportContent): string {
  if (!tasks) return '';
  return `<div class="card scroll" tabindex="0" role="region" aria-label="Tasks">${table(`Percent on the validation split, at the best epoch; means over seeds${tasks.heads.includes('Chance') ? '. Chance is what guesses reach without a look at the video' : ''}`, tasks.heads, tasks.rows)}</div>`;
}

/** A picture of its own, so that neither its styles nor the names in it meet those of the page. */
function figure({ title, svg }: { title: string; svg: string }): string {
  const data = Buffer.from(svg).toString('base64');
  return `<figure class="card drawn"><figcaption>${e(title)}</figcaption><img src="data:image/svg+xml;base64,${data}" alt="${e(title)}; its numbers are in the tables under Accuracy"></figure>`;
}

function curves(plots: readonly Plot[]): string {
  if (plots.length === 0) return '';
  const figures = plots.map(
    (plot) => `<figure class="card"><figcaption>${e(plot.title)}</figcaption>${plotSvg(plot)}</figure>`,
  );
  return `<p class="note">A line is the mean over a setting’s seeds, a band their range.</p>
<div class="plots">
${figures.join('\n')}
</div>`;
}

function settings({ facts, runs, configuration }: ReportContent): string {
  const [heads = [], ...rows] = runs;
  return `<div class="card scroll" tabindex="0" role="region" aria-label="Facts">${factTable('Where the numbers come from', facts)}</div>
<h3>Runs</h3>
<div class="card scroll" tabindex="0" role="region" aria-label="Runs">${table('Every run with the keys that differ between settings', heads, rows)}</div>
<details><summary>Keys that all runs have in common</summary>
<div class="card scroll" tabindex="0" role="region" aria-label="Common keys">${factTable('Recipe keys of every run', configuration)}</div>
</details>`;
}

/** A table of texts whose first column names its rows. */
function table(caption: string, heads: readonly string[], rows: readonly string[][]): string {
  const head = heads.map((name) => `<th scope="col">${e(name)}</th>`).join('');
  const body = rows.map(([name = '', ...cells]) => {
    const row = cells.map((cell) => `<td>${e(cell)}</td>`).join('');
    return `<tr><th scope="row">${e(name)}</th>${row}</tr>`;
  });
  return `<table>
<caption>${e(caption)}</caption>
<thead><tr>${head}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table>`;
}

function factTable(caption: string, facts: readonly Fact[]): string {
  const rows = facts.map(
    ({ label, value }) => `<tr><th scope="row">${e(label)}</th><td>${e(value)}</td></tr>`,
  );
  return `<table class="setup"><caption>${e(caption)}</caption><tbody>
${rows.join('\n')}
</tbody></table>`;
}

/** The browser of examples: what its program fills (browser.js). */
function examples({ examples: data, available }: ReportContent): string {
  const shown = data.examples.length;
  if (shown === 0) return '';
  const taken =
    shown < available ? `${shown} of ${available} questions, at equal distances.` : `${shown} questions.`;
  return `<p class="note">${taken} Left and right arrow go through them; up and down do in the list.</p>
<noscript><p>The examples need JavaScript, which this page carries in itself.</p></noscript>
<form id="filters" class="card filters" role="search" aria-label="Examples">
<div class="field search"><label for="filter-text">Search</label><input type="search" id="filter-text" name="text" autocomplete="off"></div>
${selects(data)}
<button type="reset">Clear</button>
</form>
<div class="found"><p id="count" role="status"></p>
<button type="button" id="previous">‹ Previous</button><p id="place"></p><button type="button" id="next">Next ›</button></div>
<div class="browser">
<nav class="card" aria-label="Examples found"><ol id="list"></ol></nav>
<article class="card" id="card" aria-labelledby="card-title"></article>
</div>`;
}

type Choice = readonly [value: string, text: string];

/** Filters that have something to choose; the others are there, hidden, since the program reads all. */
function selects({ examples: shown, settings: all }: PageData): string {
  const distinct = (of: (example: PageData['examples'][number]) => string) => [...new Set(shown.map(of))];
  const any = (text: string, values: readonly string[]): Choice[] => [
    ['', text],
    ...values.map((value): Choice => [value, value]),
  ];
  const asked = all.flatMap(({ name }, i): Choice[] =>
    shown.some(({ answers }) => answers[i]) ? [[String(i), name]] : [],
  );
  const changes: Choice[] = [
    ['', 'changed or not'],
    ['changed', 'answers differ between settings'],
    ['same', 'all settings answer alike'],
    ['corrected', 'wrong in the first, right here'],
    ['lost', 'right in the first, wrong here'],
  ];
  const reasoning: Choice[] = [
    ['', 'with or without'],
    ['teacher', 'the teacher’s'],
    ['student', 'the student’s own'],
  ];
  const answers: Choice[] = [['', 'right or wrong'], ...any('', ['right', 'wrong']).slice(1)];
  const splits = distinct(({ split }) => split);
  const types = distinct(({ type }) => type).sort();
  return [
    select('Split', 'split', any('all', splits), splits.length > 1),
    select('Type', 'type', any('all', types), types.length > 1),
    select('Answer', 'answer', answers, asked.length > 0),
    select('of setting', 'setting', [['', 'the last'], ...asked], asked.length > 1),
    select('Changed', 'changed', changes, asked.length > 1),
    select(
      'Reasoning',
      'reasoning',
      reasoning,
      shown.some(({ teacher, own }) => teacher || own),
    ),
  ].join('\n');
}

function select(label: string, name: string, choices: readonly Choice[], useful: boolean): string {
  const options = choices.map(([value, text]) => `<option value="${e(value)}">${e(text)}</option>`).join('');
  const id = `filter-${name}`;
  const field = `<label for="${id}">${label}</label><select id="${id}" name="${name}">${options}</select>`;
  return `<div class="field"${useful ? '' : ' hidden=""'}>${field}</div>`;
}
