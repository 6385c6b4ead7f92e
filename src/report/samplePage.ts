/** Rows of a file of reasoning as one HTML page: frames beside the text, with what refinement removes. */
import { writeFileAtomic } from '../base/files.js';
import { optionLetter } from '../data/sample.js';
import type { Explained } from '../reasoning/explain.js';
import type { sampleRows } from '../reasoning/sampleRows.js';
import { escapeHtml as e } from './escape.js';
import type { PageClip } from './page/data.js';
import { readStyle } from './page/inline.js';
import { type Clip, thumbnails } from './thumbnails.js';

export interface SamplePage {
  title: string;
  drawn: Awaited<ReturnType<typeof sampleRows>>;
  /** Clips by id; without them the page has no pictures. */
  clips?: ReadonlyMap<string, Clip>;
}

/** Bytes of base64 that all pictures of a page may take. */
const PICTURES = 8 * 2 ** 20;

/** Writes the page, whole or not at all. It asks for nothing outside itself and holds no program. */
export async function writeSamplePage(path: string, page: SamplePage): Promise<{ bytes: number }> {
  const html = Buffer.from(await samplePage(page));
  await writeFileAtomic(path, html);
  return { bytes: html.length };
}

async function samplePage({ title, drawn, clips }: SamplePage): Promise<string> {
  const rows = drawn.flatMap((draw) => draw.rows);
  const pictures = await picturesOf(rows, clips);
  const sections = drawn.map(({ class: name, of, rows: some }) => {
    const cards = some.map((row) => card(row, pictures.get(String(row.row.id))));
    return `<section><h2>${name}: ${some.length} of ${of} rows</h2>\n${cards.join('\n')}</section>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
<title>${e(title)}</title>
<style>${await readStyle()}
.row { display: flex; flex-wrap: wrap; gap: 16px; margin-bottom: 16px; }
.row > img { flex: 0 0 auto; align-self: flex-start; border-radius: 8px; }
.row > div { flex: 1 1 320px; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; }
</style>
</head>
<body>
<header><h1>${e(title)}</h1></header>
<main>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

async function picturesOf(
  rows: readonly Explained[],
  clips: ReadonlyMap<string, Clip> | undefined,
): Promise<Map<string, PageClip>> {
  const wanted = rows.flatMap(({ row }) => clips?.get(String(row.id)) ?? []);
  if (wanted.length === 0) return new Map();
  const made = await thumbnails(wanted, PICTURES);
  return new Map(wanted.map(({ id }, i) => [id, made[i] as PageClip]));
}

function card({ row, grade, stated, parts }: Explained, picture: PageClip | undefined): string {
  const tag = { correct: 'good', incorrect: 'bad', ungradable: '', unknown: '' }[grade.class];
  const options = row.options.map((text, i) => {
    const marks = [i === row.answer && 'true', i === grade.predicted && 'predicted'].filter(Boolean);
    const mark = marks.length > 0 ? ` <strong>(${marks.join(', ')})</strong>` : '';
    return `<li>${optionLetter(i)}. ${e(text)}${mark}</li>`;
  });
  const text = parts.map(({ text: piece, removedBy }) =>
    removedBy === undefined ? e(piece) : `<del title="${e(removedBy)}">${e(piece)}</del>`,
  );
  return `<article class="card row">
${image(picture)}
<div><p><span class="tag ${tag}">${grade.class}</span><span class="tag">${e(String(row.id))}</span></p>
<h3>${e(row.question)}</h3>
<ul>${options.join('')}</ul>
<p>Read by ${e(stated)}</p>
<div class="text">${text.join('')}</div></div>
</article>`;
}

/** The frames of a clip below each other, at most 150 pixels wide. */
function image(picture: PageClip | undefined): string {
  if (!picture) return '';
  if ('error' in picture) return `<p class="note">${e(picture.error)}</p>`;
  const { type, data, width, height, times } = picture;
  const shown = Math.min(150, width);
  const high = Math.round((height * times.length * shown) / width);
  const at = times.map((time) => `${time.toFixed(1)} s`).join(', ');
  return `<img src="data:image/${type};base64,${data}" width="${shown}" height="${high}" alt="Frames at ${at}">`;
}
