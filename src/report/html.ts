import { writeFileAtomic } from '../base/files.js';
import { optionLetter } from '../data/sample.js';
import { framesToPng, pngDataUrl } from '../reasoning/images.js';
import type { RefinedPart } from '../reasoning/refine.js';
import type { AccuracyCell, AccuracyTable, DifferenceCell, Example, ReportData } from './data.js';
import { escapeHtml as e } from './escape.js';
import { plotSvg } from './plot.js';
import { STYLE } from './style.js';

/** Bytes of all frames together; frames shrink until they fit. */
const IMAGE_BUDGET = 3 * 1024 * 1024;
const IMAGE_SIDES = [320, 240, 176, 128, 96];

/**
 * Writes one HTML file that needs nothing else: style, curves and frames are inside, there is no script, and its own
 * Content-Security-Policy forbids every request.
 *
 * @returns the file's size in bytes.
 * @throws DataError when it cannot be written; RangeError for frames whose bytes do not fit their shape.
 */
export async function writeReport(path: string, data: ReportData): Promise<number> {
  const images = await encodeFrames(data.examples);
  const html = Buffer.from(renderReport(data, images));
  await writeFileAtomic(path, html);
  return html.length;
}

/** Data URLs of every example's frames, as large as the budget allows. */
async function encodeFrames(examples: readonly Example[]): Promise<string[][]> {
  for (const side of IMAGE_SIDES) {
    const urls: string[][] = [];
    for (const { frames } of examples) urls.push((await framesToPng(frames, side)).map(pngDataUrl));
    const bytes = urls.flat().reduce((sum, url) => sum + url.length, 0);
    if (bytes <= IMAGE_BUDGET || side === IMAGE_SIDES.at(-1)) return urls;
  }
  return [];
}

/** The page. @param images data URLs by example and frame. */
export function renderReport(data: ReportData, images: readonly (readonly string[])[]): string {
  const { title, summary, setup, accuracy, plots, examples, notes = [] } = data;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>${e(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<p class="eyebrow">ReasVQA report</p>
<h1>${e(title)}</h1>
<p class="summary">${e(summary)}</p>
</header>
<main>
${tiles(accuracy)}
<section aria-labelledby="accuracy">
<h2 id="accuracy">Accuracy</h2>
${accuracyTable(accuracy)}
${notes.map((note) => `<p class="note">${e(note)}</p>`).join('\n')}
</section>
${plots.length > 0 ? plotSection(data) : ''}
${examples.length > 0 ? exampleSection(examples, images) : ''}
<section aria-labelledby="setup">
<h2 id="setup">Setup</h2>
<div class="card scroll"><table class="setup"><tbody>
${setup.map(({ label, value }) => `<tr><th scope="row">${e(label)}</th><td>${e(value)}</td></tr>`).join('\n')}
</tbody></table></div>
</section>
</main>
<footer>One file without scripts or external resources: keep it, mail it, print it.</footer>
</body>
</html>
`;
}

const percent = (fraction: number) => `${(fraction * 100).toFixed(2)} %`;
const points = (fraction: number) => (fraction * 100).toFixed(2);
/** A minus sign as wide as the plus. */
const signed = (fraction: number) => `${fraction < 0 ? '−' : '+'}${points(Math.abs(fraction))}`;

function plusMinus(standardError: number | undefined): string {
  return standardError !== undefined && Number.isFinite(standardError) ? `± ${points(standardError)}` : '';
}

/** Green and red are for differences larger than their standard error; the rest may be chance. */
function direction({ difference, standardError = 0 }: DifferenceCell, down: string, up: string): string {
  if (Math.abs(difference) < standardError) return '';
  return difference < 0 ? down : up;
}

/** The totals, large. */
function tiles(table: AccuracyTable): string {
  const items = table.rows.flatMap(({ name, cells }) => {
    const total = cells.at(-1);
    if (!total) return [];
    const detail = [plusMinus(total.standardError), `${total.n} questions`]
      .filter((part) => part !== '')
      .join(', ');
    return [tile(name, percent(total.accuracy), detail, '')];
  });
  const gain = table.gain?.cells.at(-1);
  if (table.gain && gain) {
    const detail = [plusMinus(gain.standardError), 'percentage points']
      .filter((part) => part !== '')
      .join(' ');
    items.push(tile(table.gain.name, signed(gain.difference), detail, direction(gain, ' down', ' up')));
  }
  return items.length > 0 ? `<ul class="tiles">${items.join('')}</ul>` : '';
}

function tile(name: string, value: string, detail: string, kind: string): string {
  return `<li class="card tile${kind}"><span>${e(name)}</span><strong>${value}</strong><span>${detail}</span></li>`;
}

function accuracyTable({ caption, groups, rows, gain }: AccuracyTable): string {
  const last = groups.length - 1;
  const kind = (i: number) => (i === last ? ' class="total"' : '');
  const heads = groups.map((group, i) => {
    const counts = new Set(rows.flatMap(({ cells }) => cells[i]?.n ?? []));
    const n = counts.size === 0 ? '' : `<small>n ${[...counts].join(' / ')}</small>`;
    return `<th scope="col"${kind(i)}>${e(group)}${n}</th>`;
  });
  const body = rows.map(({ name, cells }) => {
    const row = groups.map((_, i) => `<td${kind(i)}>${accuracyCell(cells[i])}</td>`).join('');
    return `<tr><th scope="row">${e(name)}</th>${row}</tr>`;
  });
  if (gain) {
    const row = groups.map((_, i) => `<td${kind(i)}>${differenceCell(gain.cells[i])}</td>`).join('');
    body.push(`<tr class="gain"><th scope="row">${e(gain.name)}</th>${row}</tr>`);
  }
  return `<div class="card scroll" tabindex="0" role="region" aria-label="${e(caption)}"><table>
<caption>${e(caption)}</caption>
<thead><tr><th scope="col">Percent right</th>${heads.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>`;
}

function accuracyCell(cell: AccuracyCell | null | undefined): string {
  if (!cell) return '<span aria-label="no questions">–</span>';
  const error = plusMinus(cell.standardError);
  return `${points(cell.accuracy)}${error ? `<small>${error}</small>` : ''}`;
}

function differenceCell(cell: DifferenceCell | null | undefined): string {
  if (!cell) return '<span aria-label="no questions">–</span>';
  const kind = direction(cell, 'minus', 'plus');
  const error = plusMinus(cell.standardError);
  return `<span class="${kind}">${signed(cell.difference)}</span>${error ? `<small>${error}</small>` : ''}`;
}

function plotSection({ plots }: ReportData): string {
  const figures = plots.map(
    (plot) => `<figure class="card"><figcaption>${e(plot.title)}</figcaption>${plotSvg(plot)}</figure>`,
  );
  return `<section aria-labelledby="curves">
<h2 id="curves">Learning curves</h2>
<div class="plots">
${figures.join('\n')}
</div>
</section>`;
}

function exampleSection(examples: readonly Example[], images: readonly (readonly string[])[]): string {
  const cards = examples.map((example, i) => exampleCard(example, images[i] ?? [], i));
  return `<section aria-labelledby="examples">
<h2 id="examples">Examples</h2>
${cards.join('\n')}
</section>`;
}

function exampleCard(example: Example, images: readonly string[], index: number): string {
  const heading = `example-${index + 1}`;
  return `<article class="card example" aria-labelledby="${heading}">
<div><span class="tag">${e(example.type)}</span><span class="tag">${e(example.id)}</span>${verdict(example)}</div>
<h3 id="${heading}">${e(example.question)}</h3>
<ol class="frames">${images.map((url, i) => frame(example, url, i, images.length)).join('')}</ol>
<ol class="options">${example.options.map((option, i) => optionLine(example, option, i)).join('')}</ol>
${silent(example)}
<div class="columns">
${example.teacher ? teacherBlock(example.teacher, example) : ''}
${(example.generated ?? []).map(({ name, text }) => ownReasoning(name, text)).join('\n')}
</div>
</article>`;
}

/** What training changed: the first model against the last. */
function verdict({ answers, answer }: Example): string {
  const first = answers[0];
  const last = answers.at(-1);
  if (answer === null || !first || !last || answers.length < 2) return '';
  const before = first.predicted === answer;
  const after = last.predicted === answer;
  if (before === after) return `<span class="tag">${after ? 'right in both' : 'wrong in both'}</span>`;
  return after ? '<span class="tag good">✓ corrected</span>' : '<span class="tag bad">✗ lost</span>';
}

function frame(example: Example, url: string, i: number, n: number): string {
  const time = example.frames.timestamps?.[i];
  const when = time !== undefined && Number.isFinite(time) ? `${time.toFixed(1)} s` : `frame ${i + 1}`;
  const alt = `Frame ${i + 1} of ${n} of ${example.id}${time === undefined ? '' : `, at ${when}`}`;
  return `<li><img src="${e(url)}" alt="${e(alt)}"><span>${e(when)}</span></li>`;
}

function optionLine(example: Example, option: string, i: number): string {
  const right = i === example.answer;
  const picks = example.answers
    .filter((answer) => answer.predicted === i)
    .map(({ name }) => pick(name, example.answer === null ? undefined : right));
  if (example.teacher?.predicted === i)
    picks.push(`<span class="pick plain">${e(example.teacher.name)}</span>`);
  const mark = right ? '<span class="pick good">✓ right answer</span>' : '';
  return `<li${right ? ' class="right"' : ''}><span class="letter">${optionLetter(i)}</span><span class="text">${e(option)}</span>${mark}${picks.join('')}</li>`;
}

/** Models that chose none of the options. */
function silent({ answers, teacher }: Example): string {
  const names = [...answers, ...(teacher ? [teacher] : [])].flatMap((item) =>
    item.predicted === null ? [item.name] : [],
  );
  return names.length > 0 ? `<p class="note">No answer from ${e(names.join(', '))}.</p>` : '';
}

function pick(name: string, right: boolean | undefined): string {
  if (right === undefined) return `<span class="pick plain">${e(name)}</span>`;
  return `<span class="pick ${right ? 'good' : 'bad'}">${right ? '✓' : '✗'} ${e(name)}</span>`;
}

function teacherBlock(teacher: NonNullable<Example['teacher']>, example: Example): string {
  const judged =
    example.answer === null || teacher.predicted === null
      ? ''
      : teacher.predicted === example.answer
        ? ' (its answer is right)'
        : ' (its answer is wrong)';
  return `<div>
<h4>${e(teacher.name)}’s reasoning${judged}; <del>struck through</del>: removed before training</h4>
<div class="reasoning">${teacher.parts.map(partHtml).join('')}</div>
</div>`;
}

function partHtml({ text, removedBy }: RefinedPart): string {
  if (removedBy === undefined || text.trim() === '') return e(text);
  return `<del title="${e(`removed: ${removedBy}`)}">${e(text)}</del>`;
}

function ownReasoning(name: string, text: string): string {
  const shown = text.trim() === '' ? '(it wrote nothing)' : text;
  return `<div>
<h4>${e(name)}’s own reasoning</h4>
<div class="reasoning own">${e(shown)}</div>
</div>`;
}
