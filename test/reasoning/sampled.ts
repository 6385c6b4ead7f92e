/** Draws texts that an expression matches, for the fields of `languages/`. */
import type { Rng } from '../../src/base/random.js';
import { alternatives, groupEnd } from '../../src/reasoning/languages/forms.js';

/** What stands for a class of signs. */
const CLASSES: Record<string, string> = { s: ' ', S: 'x', w: 'n', W: ' ', d: '3', b: '', p: 'o', P: ' ' };

/** One text of an expression; lookarounds that demand something are part of it, others are nothing. */
export function sampleOf(source: string, rng: Rng): string {
  const form = rng.pick(alternatives(source));
  let text = '';
  for (let at = 0; at < form.length; ) {
    const [piece, end] = pieceAt(form, at, rng);
    const [count] = /^(?:(?:[?*+]|\{\d+(?:,\d*)?\})\??)?/.exec(form.slice(end)) as RegExpExecArray;
    at = end + count.length;
    if (!/^(?:[?*]|\{0)/.test(count) || rng.int(2) === 0) text += piece;
  }
  return text;
}

/** The text of one sign, class or group, and where it ends. */
function pieceAt(form: string, at: number, rng: Rng): [string, number] {
  const sign = form[at] as string;
  if (sign === '\\') {
    const letter = form[at + 1] as string;
    const end = /[pP]/.test(letter) ? form.indexOf('}', at) + 1 : at + 2;
    return [CLASSES[letter] ?? letter, end];
  }
  if (sign === '[') {
    const end = form.indexOf(']', at + 1);
    return [oneOf(form.slice(at + 1, end), rng), end + 1];
  }
  if (sign === '(') {
    const end = groupEnd(form, at);
    const [lead] = /^\((?:\?(?:[:=!]|<[=!]|<\w+>))?/.exec(form.slice(at)) as RegExpExecArray;
    return [lead.endsWith('!') ? '' : sampleOf(form.slice(at + lead.length, end - 1), rng), end];
  }
  return [/[\^$]/.test(sign) ? '' : sign === '.' ? 'x' : sign, at + 1];
}

function oneOf(inner: string, rng: Rng): string {
  if (inner.startsWith('^')) return 'x';
  const signs = inner
    .replace(/\\s/g, ' ')
    .replace(/\\p\{\w+\}/g, 'o')
    .replace(/(.)-(.)/g, '$1$2')
    .replace(/\\/g, '');
  return rng.pick([...signs]);
}
