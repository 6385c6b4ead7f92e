/** The texts with which the matches of an expression begin: a quick look for them tells where it cannot match. */
import { alternatives, groupEnd } from './languages/forms.js';
import { OTHER, WORD_END } from './wordScan.js';

/** A text that every match of one way through an expression begins with. */
interface Opening {
  text: string;
  /** Whether what follows in the expression goes on with it. */
  open: boolean;
}

/**
 * The least list of texts in lower case such that each match of an expression, but for white space and marks before its
 * first word, begins with one of them. Behind a word that has to end there stands {@link WORD_END}, and {@link OTHER} for
 * white space that is no blank.
 *
 * @param source of an expression; of a group the alternatives, of a class the signs are gone through, at any other set of
 *   signs the text ends. Conditions on what stands around a place are left out.
 * @throws Error for an expression that can match nothing, or begin with a set of signs
 */
export function openings(source: string): string[] {
  const texts = new Set(openingsOf(source, true).map(({ text }) => text.toLowerCase()));
  if (texts.has('')) throw new Error(`a match of ${source} may begin with anything`);
  const beginsWithAnother = (text: string) => {
    for (let end = 1; end < text.length; end++) if (texts.has(text.slice(0, end))) return true;
    return false;
  };
  return [...texts].filter((text) => !beginsWithAnother(text));
}

/** @param lead whether nothing of the whole expression stands before, where white space and marks are passed over */
function openingsOf(source: string, lead: boolean): Opening[] {
  return alternatives(source).flatMap((form) => {
    let found: Opening[] = [{ text: '', open: true }];
    for (let at = 0; at < form.length && found.some(({ open }) => open); ) {
      const first = lead && found.every(({ text }) => text === '');
      const atom = atomAt(form, at, first);
      const often = QUANTIFIER.exec(form.slice(atom.end))?.[0] ?? '';
      at = atom.end + often.length;
      found = found.flatMap((opening) =>
        opening.open ? followed(opening, atom.may, often, lead) : [opening],
      );
    }
    return found;
  });
}

const QUANTIFIER = /^(?:[?*+]|\{\d+(?:,\d*)?\})\??/;

/** The openings of an atom; or that it takes no sign, is the end of a word, any sign, any of no word, white space. */
type May = Opening[] | 'edge' | 'end' | 'any' | 'marks' | 'space';

/** White space, of one sign or more. */
const SPACES: Opening[] = [
  { text: ' ', open: true },
  { text: '  ', open: false },
  { text: OTHER, open: false },
];

function followed(opening: Opening, may: May, often: string, lead: boolean): Opening[] {
  if (may === 'edge' || ((may === 'marks' || may === 'space') && lead && opening.text === ''))
    return [opening];
  if (may === 'end')
    return /\w$/.test(opening.text) ? [{ text: opening.text + WORD_END, open: false }] : [opening];
  const optional = /^[?*]|^\{0/.test(often);
  const once: Opening[] =
    may === 'space' ? SPACES : typeof may === 'string' ? [{ text: '', open: false }] : may;
  const longer = once.map(({ text, open }) => ({
    text: opening.text + text,
    open: open && (may === 'space' || often === '' || often === '?'),
  }));
  return optional ? [...longer, opening] : longer;
}

/** As `\\b` behind a word. */
const NO_WORD_GOES_ON = '(?![a-z0-9])';

/** The atom at a place of an alternative, and what it may begin with. */
function atomAt(form: string, at: number, lead: boolean): { end: number; may: May } {
  const sign = form[at] as string;
  if (sign === '(') {
    const end = groupEnd(form, at);
    const [opening] = /^\((?:\?(?:<?[=!]|:|<\w+>))?/.exec(form.slice(at)) as RegExpExecArray;
    if (form.slice(at, end) === NO_WORD_GOES_ON) return { end, may: 'end' };
    if (/[=!]$/.test(opening)) return { end, may: 'edge' };
    return { end, may: openingsOf(form.slice(at + opening.length, end - 1), lead) };
  }
  if (sign === '[') {
    const end = form.indexOf(']', at + 2) + 1;
    const inside = form.slice(at + 1, end - 1);
    return { end, may: /^\^|\\|.-./.test(inside) ? 'any' : [...inside].map(literal) };
  }
  if (sign === '\\') {
    const escaped = /^\\(?:[pP]\{[^}]*\}|u[\dA-Fa-f]{4}|.)/s.exec(form.slice(at))?.[0] as string;
    const end = at + escaped.length;
    if (escaped === '\\b') return { end, may: 'end' };
    if (escaped === '\\B') return { end, may: 'edge' };
    if (escaped === '\\s') return { end, may: 'space' };
    if (escaped === '\\W') return { end, may: 'marks' };
    return { end, may: /^\\[a-zA-Z]/.test(escaped) ? 'any' : [literal(escaped.slice(1))] };
  }
  if (sign === '^' || sign === '$') return { end: at + 1, may: 'edge' };
  return { end: at + 1, may: sign === '.' ? 'any' : [literal(sign)] };
}

const literal = (text: string): Opening => ({ text, open: true });
