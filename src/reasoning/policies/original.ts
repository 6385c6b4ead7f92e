/** The policy `original`: removes nothing, for the paper's "Original Reasoning" rows (table 10). */
import type { GeneratedText } from '../generated.js';
import { type PolicyRecord, type RefineResult, rowByRow } from './policy.js';

export const original: PolicyRecord = {
  name: 'original',
  summary: 'removes nothing',
  open: () => rowByRow(originalRow),
};

export function originalRow({ reasoning }: GeneratedText): RefineResult {
  const text = reasoning.trim();
  return { reasoning: text, removed: [], counts: {}, parts: text === '' ? [] : [{ text }] };
}
