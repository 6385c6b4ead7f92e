/**
 * The line on which each element of a top-level JSON array starts, without parsing the values: annotation files are
 * single arrays of thousands of questions, and a problem must be findable. A text that is one object counts as its
 * own only element.
 *
 * @param text syntactically valid JSON.
 */
export function elementLines(text: string): number[] {
  const lines: number[] = [];
  let line = 1;
  let depth = 0;
  let inString = false;
  const top = /\S/.exec(text)?.[0] === '[' ? 1 : 0;
  let fresh = true;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '\n') line++;
    if (inString) {
      if (char === '\\') i++;
      else if (char === '"') inString = false;
      continue;
    }
    if (char === ' ' || char === '\n' || char === '\r' || char === '\t') continue;
    const opens = char === '[' || char === '{';
    const closes = char === ']' || char === '}';
    if (char === ',' && depth === top) fresh = true;
    else if (depth === top && fresh && !closes) {
      lines.push(line);
      fresh = false;
    }
    if (char === '"') inString = true;
    if (opens) depth++;
    if (closes) depth--;
  }
  return lines;
}

/** The line on which each key of a top-level JSON object stands. @param text syntactically valid JSON */
export function keyLines(text: string): Map<string, number> {
  const lines = new Map<string, number>();
  let line = 1;
  let depth = 0;
  for (const [token, string, colon] of text.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}[\]\n]/g)) {
    if (token === '\n') line++;
    else if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (colon && depth === 1) lines.set(JSON.parse(string!) as string, line);
    if (colon?.includes('\n')) line += colon.split('\n').length - 1;
  }
  return lines;
}
