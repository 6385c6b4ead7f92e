/** Where a reply takes back the option that it stated: "I retract that", "so it isn't C". */
import { matchesOf } from '../matches.js';
import type { Candidate } from './candidate.js';

const TAKES_BACK =
  /\bi(?:['’]ll| will| must| have to)?\s+(?:retract|withdraw|revoke)\s+(?:that|this|it|my)\b|\btake (?:that|it|this) back\b|\b(?:i|we) (?:cannot|can not|can['’]t) (?:give|offer|provide|commit to) an? (?:answer|option|choice)\b|\b(?:scratch|strike|disregard|forget) that\b|\b(?:actually|wait|no|hmm+)\b[\s,.:;–—-]+(?:that|this|it)(?:['’]s| is| was)\s+(?:not\s+(?:right|correct|true)|wrong|incorrect)\b/i;
const IS_NOT =
  /\b(?:it|that|this|(?:the|my) answer)(?:['’]s not| is not| isn['’]t| is no longer| cannot be| can['’]t be)\s+(?:option\s+)?[(⟦]?([A-Z])(?=[)⟧]?\s*(?:[.,;!)]|$))/g;

/** @returns the place in `plain` behind the words that take the candidate back; undefined where none do */
export function retractedAt(plain: string, { at, index }: Candidate): number | undefined {
  const behind = plain.slice(at);
  const back = TAKES_BACK.exec(behind);
  if (back) return at + back.index + back[0].length;
  const not = matchesOf(behind, IS_NOT).find((match) => (match[1] as string).charCodeAt(0) - 65 === index);
  return not && at + not.index + not[0].length;
}
