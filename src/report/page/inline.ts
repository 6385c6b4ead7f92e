/** The files of the page that its program and style are made of, and data, in the form in which HTML takes them. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

/** They come with the package as they are (package.json, files); compiled code finds them from dist as from src. */
const FOLDER = new URL('../../../src/report/page/', import.meta.url);

/** In the order in which they build on each other. */
const STYLE = ['style.css', 'examples.css'];
const PROGRAM = ['filter.js', 'card.js', 'browser.js'];

const read = (name: string) => readFile(new URL(name, FOLDER), 'utf8');

/** The style sheets as one. */
export async function readStyle(): Promise<string> {
  return (await Promise.all(STYLE.map(read))).join('\n');
}

/** The page's program as one script: its modules import nothing but each other. */
export async function readProgram(): Promise<string> {
  const modules = await Promise.all(PROGRAM.map(read));
  return modules
    .join('\n')
    .replace(/^import .*;$/gm, '')
    .replace(/^export /gm, '');
}

/** What a Content-Security-Policy calls a script that may run. */
export function hashOf(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}

/** JSON for a script element: no text in it can end the element, or a line where JavaScript ends one. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
