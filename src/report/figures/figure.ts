/**
 * A figure and its files: the vega-lite specification, SVG, PNG and the numbers as csv. The same figure gives the same
 * bytes: nothing in them depends on time, machine or what was drawn before (letters in the PNG are in the system's font).
 */
import { join } from 'node:path';
import type { TopLevelSpec } from 'vega-lite';
import { csv } from '../../base/csv.js';
import { DataError, messageOf } from '../../base/errors.js';
import { makeFolder, writeFileAtomic } from '../../base/files.js';

export interface Figure {
  title: string;
  spec: TopLevelSpec;
  /** Header and rows. */
  rows: string[][];
}

/** Pixels of the PNG for one of the SVG. */
const PNG_SCALE = 2;

/**
 * Writes `<name>.vl.json`, `.svg`, `.png` and `.csv`.
 *
 * @returns their paths
 * @throws DataError when the folder cannot be written
 */
export async function writeFigure(figure: Figure, folder: string, name: string): Promise<string[]> {
  const svg = await figureSvg(figure);
  const files: [string, string | Uint8Array][] = [
    ['vl.json', `${JSON.stringify(figure.spec, null, 2)}\n`],
    ['svg', svg],
    ['png', await figurePng(svg)],
    ['csv', csv(figure.rows)],
  ];
  await makeFolder(folder).catch((error) => {
    throw new DataError(`${folder}: cannot be made (${messageOf(error)})`, { cause: error });
  });
  const paths: string[] = [];
  for (const [extension, content] of files) {
    const path = join(folder, `${name}.${extension}`);
    await writeFileAtomic(path, content);
    paths.push(path);
  }
  return paths;
}

/** The figure as one SVG document that asks for nothing outside itself. */
export async function figureSvg({ spec }: Figure): Promise<string> {
  // Together they take most of a second to load.
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  // A canvas that happens to be installed would measure texts in the system's font, and move them.
  (vega as unknown as { textMetrics: { canvas(use: boolean): void } }).textMetrics.canvas(false);
  // Clips are numbered on from what the process drew before.
  vega.resetSVGDefIds();
  const view = new vega.View(vega.parse(compile(spec).spec), { renderer: 'none' });
  try {
    return `${await view.toSVG()}\n`;
  } finally {
    view.finalize();
  }
}

async function figurePng(svg: string): Promise<Uint8Array> {
  const { default: sharp } = await import('sharp');
  // SVG's own resolution is 72 pixels an inch.
  return sharp(Buffer.from(svg), { density: 72 * PNG_SCALE })
    .png()
    .toBuffer();
}
