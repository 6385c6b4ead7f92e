/** The policies of refinement by name. A new one is a file here and a line in this list. */
import { UsageError } from '../../base/errors.js';
import { agreement } from './agreement.js';
import { entailment } from './entailment.js';
import { firstN } from './firstN.js';
import { noneOfAnswerSentences } from './noneOfAnswerSentences.js';
import { original } from './original.js';
import { paper } from './paper.js';
import type { Policy, PolicyRecord, PolicySettings } from './policy.js';

export const POLICIES: readonly PolicyRecord[] = [
  paper,
  original,
  firstN,
  noneOfAnswerSentences,
  entailment,
  agreement,
];

export const policyNames = () => POLICIES.map(({ name }) => name);

/** @throws UsageError for an unknown name, or a setting that the policy needs */
export async function openPolicy(name: string, settings: PolicySettings = {}): Promise<Policy> {
  const record = POLICIES.find((policy) => policy.name === name);
  if (!record) throw new UsageError(`--policy ${name}: expected ${policyNames().join(', ')}`);
  return record.open(settings);
}
