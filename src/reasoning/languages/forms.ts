/** Takes a field of a language's table apart: the alternatives of its expression. */

/** The alternatives of an expression at its top level. */
export function alternatives(source: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let inClass = false;
  let from = 0;
  for (let i = 0; i <= source.length; i++) {
    const sign = source[i];
    if (sign === '\\') i++;
    else if (inClass) inClass = sign !== ']';
    else if (sign === '[') inClass = true;
    else if (sign === '(') depth++;
    else if (sign === ')') depth--;
    else if (depth === 0 && (sign === '|' || sign === undefined)) {
      found.push(source.slice(from, i));
      from = i + 1;
    }
  }
  return found;
}

/** The alternatives of the fields that a text of ASCII letters can match. */
export function latinForms(fields: readonly string[]): string[] {
  return fields
    .filter((field) => field !== '')
    .flatMap(alternatives)
    .filter(isLatin);
}

/** Whether a text of ASCII letters can match an alternative: it has no other letters outside of a class. */
function isLatin(form: string): boolean {
  return /^[\x20-\x7E‘’]*$/.test(form.replace(/\[[^\]]*\]/g, ''));
}

/** The place behind the group that opens at `at`. @throws Error where it does not end */
export function groupEnd(form: string, at: number): number {
  let depth = 0;
  for (let i = at; i < form.length; i++) {
    if (form[i] === '\\') i++;
    else if (form[i] === '[') i = form.indexOf(']', i + 2);
    else if (form[i] === '(') depth++;
    else if (form[i] === ')' && --depth === 0) return i + 1;
  }
  throw new Error(`a group of ${form} is open`);
}
