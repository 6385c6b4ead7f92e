/**
 * Texts in tagged parts: `<think>..</think> <answer>..</answer>`, as VersaVid-R1 and VITAL have them write. What is in a
 * part is any text without a tag of these names.
 *
 * A Unigram vocabulary may lack `<`. One with spare tokens (`<extra_id_0>` and so on) has one of them for each tag ({@link TAG_TOKENS}), so that a
 * tag is one token; in every text, file and reward it is the tag. Another tokenizer spells the tags out.
 */

export const TAGS = ['think', 'tool_call', 'answer'] as const;
export type Tag = (typeof TAGS)[number];

const ANY_TAG = new RegExp(`</?(?:${TAGS.join('|')})>`);
const ANY_TAGS = new RegExp(`(${ANY_TAG.source})`);

/** The spare token of each tag. The first two spare tokens start the decoder (text.decoderCue). */
export const TAG_TOKENS: ReadonlyMap<string, string> = new Map(
  TAGS.flatMap((tag) => [`<${tag}>`, `</${tag}>`]).map((tag, i) => [tag, `<extra_id_${i + 2}>`]),
);

export const hasTags = (text: string): boolean => ANY_TAG.test(text);

/** A text cut before and after each tag, without white space beside them and without empty pieces. */
export function cutAtTags(text: string): string[] {
  return text
    .split(ANY_TAGS)
    .map((piece) => piece.trim())
    .filter(Boolean);
}

/** A text that may stand inside a part: tags that it holds itself are spaces. */
export const withoutTags = (text: string): string =>
  cutAtTags(text)
    .filter((piece) => !hasTags(piece))
    .join(' ');

/** Pieces of text and tags as one text; a space keeps two parts apart. */
export function joinAtTags(pieces: readonly string[]): string {
  return pieces
    .map((piece, i) => (isOpening(piece) && isClosing(pieces[i - 1]) ? ` ${piece}` : piece))
    .join('');
}

const isClosing = (piece: string | undefined) =>
  piece !== undefined && hasTags(piece) && piece.startsWith('</');
const isOpening = (piece: string) => hasTags(piece) && !piece.startsWith('</');
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

/**
 * The reasoning and the answer of a text in tags: what stands in its `think` parts, and {@link answerText}; undefined for a
 * text without tags.
 */
export function taggedParts(text: string): { reasoning: string; answer: string } | undefined {
  if (!hasTags(text)) return undefined;
  const thoughts = text.split('<think>').slice(1);
  const reasoning = thoughts.map((rest) => rest.split(ANY_TAG)[0]!.trim()).filter(Boolean);
  return { reasoning: reasoning.join(' '), answer: answerText(text, true) };
}
