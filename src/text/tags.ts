/**
 * Texts in tagged parts: `<think>..</think> <answer>..</answer>`, as VersaVid-R1 and VITAL have them write. What is in a
 * part is any text without a tag of these names.
 */

export const TAGS = ['think', 'tool_call', 'answer'] as const;
export type Tag = (typeof TAGS)[number];

const ANY_TAG = new RegExp(`</?(?:${TAGS.join('|')})>`);
const PART = new RegExp(`<(${TAGS.join('|')})>([\\s\\S]*?)</\\1>`, 'y');

/** One closed part of a text. */
export interface Part {
  tag: Tag;
  content: string;
}

/** The parts of a text that is nothing but closed parts and white space between them; undefined for another text. */
export function partsOf(text: string): Part[] | undefined {
  const parts: Part[] = [];
  let at = spaceAfter(text, 0);
  while (at < text.length) {
    PART.lastIndex = at;
    const match = PART.exec(text);
    if (!match || ANY_TAG.test(match[2]!)) return undefined;
    parts.push({ tag: match[1] as Tag, content: match[2]! });
    at = spaceAfter(text, PART.lastIndex);
  }
  return parts;
}

function spaceAfter(text: string, from: number): number {
  let at = from;
  while (at < text.length && /\s/.test(text[at]!)) at++;
  return at;
}

/** Whether a text has any of the tags: then its answer is what {@link answerText} finds. */
export function isTagged(text: string): boolean {
  return ANY_TAG.test(text);
}

/**
 * The answer of a text: what follows its last `<answer>`, up to the closing tag or, where the text was cut, to its end.
 *
 * @param tagged whether answers are in tags; the whole text is the answer otherwise. @returns '' where a tagged text has none
 */
export function answerText(text: string, tagged: boolean): string {
  if (!tagged) return text.trim();
  const start = text.lastIndexOf('<answer>');
  if (start < 0) return '';
  const rest = text.slice(start + '<answer>'.length);
  const end = rest.search(ANY_TAG);
  return (end < 0 ? rest : rest.slice(0, end)).trim();
}
