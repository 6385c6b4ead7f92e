/** Accuracy as HTML: the totals large, then tables. */
import type { AccuracyCell, AccuracyTable } from '../accuracy.js';
import { escapeHtml as e } from '../escape.js';
import type { Comparison } from '../statistics.js';

const percent = (fraction: number) => `${(fraction * 100).toFixed(2)} %`;
const points = (fraction: number) => (fraction * 100).toFixed(2);
/** A minus sign as wide as the plus. */
const signed = (fraction: number) => `${fraction < 0 ? '−' : '+'}${points(Math.abs(fraction))}`;

function plusMinus(standardError: number): string {
  return Number.isFinite(standardError) ? `± ${points(standardError)}` : '';
}

/** Green and red are for differences outside the noise. */
function direction({ insideNoise, difference }: Comparison): 'up' | 'down' | '' {
  return insideNoise ? '' : difference < 0 ? 'down' : 'up';
}

/** More settings than this are for the table alone. */
const MOST_TILES = 4;

/** The totals of a table, large. */
export function tiles({ rows, gains }: AccuracyTable): string {
  if (rows.length > MOST_TILES) return '';
  const items = rows.flatMap(({ name, cells }) => {
    const total = cells.at(-1);
    if (!total) return [];
    const detail = [plusMinus(total.standardError), `${total.n} questions`].filter(Boolean).join(', ');
    return [tile(name, percent(total.accuracy), detail, '')];
  });
  const gain = gains?.rows.length === 1 ? gains.rows[0]!.cells.at(-1) : undefined;
  if (gain) {
    const detail = `± ${points(errorOf(gain))} percentage points${gain.insideNoise ? ', inside the noise' : ''}`;
    items.push(tile('gain', signed(gain.difference), detail, direction(gain)));
  }
  return items.length > 0 ? `<ul class="tiles">${items.join('')}</ul>` : '';
}

/** Over seeds where there are several, else over questions. */
function errorOf({ seeds, seedStandardError, standardError }: Comparison): number {
  return seeds.length > 1 ? seedStandardError : standardError;
}

function tile(name: string, value: string, detail: string, kind: string): string {
  return `<li class="card tile ${kind}"><span>${e(name)}</span><strong>${value}</strong><span>${detail}</span></li>`;
}

/** The table, and under it what each setting gains on the first. */
export function accuracyTable(table: AccuracyTable): string {
  const { caption, groups, rows, gains } = table;
  const counts = groups.map((_, i) => {
    const n = [...new Set(rows.flatMap(({ cells }) => cells[i]?.n ?? []))];
    return n.length === 0 ? '' : `<small>n ${n.join(' / ')}</small>`;
  });
  const body = rows.map(({ name, seeds, unfinished, cells }) => {
    const facts = [
      ...(seeds > 1 ? [`${seeds} seeds`] : []),
      ...(unfinished > 0 ? [`${unfinished} of ${seeds} not finished`] : []),
    ];
    return tableRow(name, facts, cells.map(accuracyCell));
  });
  const first = tableHtml(caption, ['Percent right', ...groups], ['', ...counts], body);
  if (!gains) return first;
  const gained = gains.rows.map(({ name, cells }) => {
    const seeds = cells.at(-1)?.seeds.length ?? 0;
    return tableRow(name, seeds > 1 ? [`${seeds} seeds`] : [], cells.map(gainCell));
  });
  const head = ['Percentage points', ...groups];
  const title = `Difference to ${gains.baseline}, paired over questions and seeds: with its standard error over questions (10,000 bootstrap resamples), and over seeds where there are several. Grey is inside the noise: the 95 % interval over questions holds 0.`;
  return `${first}\n${tableHtml(title, head, [], gained)}`;
}

/** A table that scrolls sideways in itself; its last column is the total. */
function tableHtml(
  caption: string,
  heads: readonly string[],
  under: readonly string[],
  rows: string[],
): string {
  const cells = heads.map((head, i) => {
    const total = i === heads.length - 1 ? ' class="total"' : '';
    return `<th scope="col"${total}>${e(head)}${under[i] ?? ''}</th>`;
  });
  return `<div class="card scroll" tabindex="0" role="region" aria-label="${e(caption)}"><table>
<caption>${e(caption)}</caption>
<thead><tr>${cells.join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>`;
}

function tableRow(name: string, facts: readonly string[], cells: readonly string[]): string {
  const small = facts.length > 0 ? `<small>${e(facts.join(', '))}</small>` : '';
  const row = cells.map((cell, i) => `<td${i === cells.length - 1 ? ' class="total"' : ''}>${cell}</td>`);
  return `<tr><th scope="row">${e(name)}${small}</th>${row.join('')}</tr>`;
}

const NONE = '<span class="noise">none</span>';

function accuracyCell(cell: AccuracyCell | null): string {
  if (!cell) return NONE;
  const error = plusMinus(cell.standardError);
  return `${points(cell.accuracy)}${error ? `<small>${error}</small>` : ''}`;
}

function gainCell(cell: Comparison | null): string {
  if (!cell) return NONE;
  const { difference, standardError, seeds, seedStandardError } = cell;
  const kind = { up: 'plus', down: 'minus', '': 'noise' }[direction(cell)];
  const over = [
    `± ${points(standardError)} questions`,
    ...(seeds.length > 1 ? [`± ${points(seedStandardError)} seeds`] : []),
  ];
  const noise = kind === 'noise' ? '<span class="hidden"> (inside the noise)</span>' : '';
  return `<span class="${kind}">${signed(difference)}</span>${noise}<small>${over.join('<br>')}</small>`;
}
