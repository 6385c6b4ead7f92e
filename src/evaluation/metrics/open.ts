/** Accuracy of answers in free words. */

/** A generated text and the texts that count as right. */
export interface OpenItem {
  text: string;
  answers: readonly string[];
}

/**
 * Two accuracies in percent. `exact` is string equality, the classic measure of MSVD-QA and MSRVTT-QA, where a classifier picks
 * one of the training answers. `accuracy` compares {@link normalised} texts, which is fair to a model that writes.
 */
export function scoreOpen(items: readonly OpenItem[]): { accuracy: number; exact: number } {
  const share = (same: (text: string, answer: string) => boolean) => {
    const right = items.filter(({ text, answers }) => answers.some((answer) => same(text, answer)));
    return items.length === 0 ? 0 : (100 * right.length) / items.length;
  };
  return { accuracy: share(isSameAnswer), exact: share((text, answer) => text === answer) };
}

/** Whether two answers are equal apart from capitals, punctuation, articles and blanks. An empty text equals none. */
export function isSameAnswer(text: string, answer: string): boolean {
  const own = normalised(text);
  return own !== '' && own === normalised(answer);
}

/** A text in lower case, without punctuation, articles and superfluous blanks; an article alone stays. */
export function normalised(text: string): string {
  const words = text
    .normalize('NFKC')
    .toLowerCase()
    .replaceAll(/['\u2019]/g, '')
    .replaceAll(/[\p{P}\p{S}]/gu, ' ')
    .split(/\s+/)
    .filter(Boolean);
  const content = words.filter((word) => !/^(?:a|an|the)$/.test(word));
  return (content.length > 0 ? content : words).join(' ');
}
