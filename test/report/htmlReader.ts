/** A strict reader of the HTML that reports use: every element closed in order, every attribute quoted. */
export interface HtmlElement {
  name: string;
  attributes: Record<string, string>;
}

const VOID = new Set(['meta', 'img', 'br', 'hr', 'input', 'line', 'circle', 'path']);
const ENTITY: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

export function parseHtml(html: string): { elements: HtmlElement[]; text: string; shape: string[] } {
  const elements: HtmlElement[] = [];
  const open: string[] = [];
  const texts: string[] = [];
  const token = /<!doctype html>|<(\/?)([a-zA-Z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)|(<)/g;
  let at = 0;
  for (const match of html.matchAll(token)) {
    if (match.index !== at) throw new Error(`gap at ${at}: ${html.slice(at, at + 80)}`);
    at += match[0].length;
    const [, slash, name, attributes = '', closed, text, stray] = match;
    if (stray) throw new Error(`stray < at ${at}: ${html.slice(at - 20, at + 80)}`);
    if (text !== undefined) {
      if (open.at(-1) !== 'style') texts.push(decode(text));
      continue;
    }
    if (!name) continue;
    if (slash) {
      const last = open.pop();
      if (last !== name) throw new Error(`</${name}> closes <${last}> at ${at}`);
      continue;
    }
    const found: Record<string, string> = {};
    for (const [, key, value] of attributes.matchAll(/([\w:-]+)="([^"]*)"/g))
      found[key as string] = decode(value as string);
    elements.push({ name, attributes: found });
    if (!closed && !VOID.has(name)) open.push(name);
  }
  if (at !== html.length || open.length > 0) throw new Error(`not closed: ${open.join(' ')}`);
  const shape = elements.map(({ name, attributes }) => `${name} ${Object.keys(attributes).join(' ')}`);
  return { elements, text: texts.join(''), shape };
}

function decode(text: string): string {
  return text.replace(/&([^;\s]*);?/g, (whole, name: string) => {
    const character = ENTITY[name];
    if (character === undefined || !whole.endsWith(';')) throw new Error(`bare & in ${text.slice(0, 80)}`);
    return character;
  });
}
