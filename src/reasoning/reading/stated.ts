/** The answer that a reply states explicitly, by rules 1 to 4. */
import type { Choices } from '../choices.js';
import { type Cues, cuesIn } from '../cues.js';
import type { Reply } from '../marks.js';
import { plainText } from '../plain.js';
import { mayCueWords, mayNameByMark } from '../screen.js';
import { agreed, type Candidate, last, type Named } from './candidate.js';
import { conclusions } from './conclusions.js';
import { corrections, headers } from './headers.js';
import { statements } from './statements.js';

/** The answer that a reply states explicitly, by rules 1 to 4. */
export function statedAnswer(reply: Reply, choices: Choices): number | null {
  const found = fieldIn(reply.fields, choices) ?? statedIn(plainText(reply.spoken), choices);
  return typeof found?.index === 'number' ? found.index : null;
}

export function statedIn(plain: string, choices: Choices): Candidate | undefined {
  if (!mayNameByMark(plain) && !mayCueWords(plain)) return undefined;
  return statedBy(plain, choices, cuesIn(plain));
}

/** {@link statedIn} by every rule, without a quick look before. */
export function statedBy(plain: string, choices: Choices, cues: readonly Cues[]): Candidate | undefined {
  const header = last(headers(plain, choices, cues));
  // A later statement corrects an answer: "Answer: B ... On reflection, the correct answer is C."
  if (header) return last(corrections(plain.slice(header.at), choices, header.at)) ?? header;
  for (const kind of [statements, conclusions]) {
    const found = last(kind(plain, choices, cues));
    if (found) return last(corrections(plain.slice(found.at), choices, found.at)) ?? found;
  }
  return undefined;
}

export function fieldIn(fields: string[], choices: Choices): Candidate | undefined {
  const found = fields.flatMap((value): Named[] => {
    const plain = plainText(value).trim();
    const letter = choices.letterAt(plain)?.option;
    const index = choices.whole(plain) ?? (typeof letter === 'number' ? letter : choices.textAt(plain));
    if (index !== undefined) return [index];
    if (letter !== undefined) return [letter === 'two' ? 'several' : 'beyond'];
    if (/^\d+$/.test(plain)) return [Number(plain) < choices.texts.length ? Number(plain) : 'beyond'];
    const stated = statedIn(plain, choices);
    return stated ? [stated.index] : [];
  });
  if (found.length === 0) return undefined;
  return { at: 0, index: agreed(found), stated: 'field' };
}
