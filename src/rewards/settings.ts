/** The rewards that a recipe names, as a scorer takes them. */
import type { Config } from '../config/schema.js';
import type { ScorerSettings } from './index.js';

/** @param onNotice hears about a judge that fails. @returns no weights where the recipe names no reward */
export function scorerSettings(
  { rewards, format, iouLow, iouHigh, judgeUrl, judgeModel }: Config['train']['rl'],
  onNotice: (line: string) => void,
): ScorerSettings {
  const weights = Object.fromEntries(
    Object.entries(rewards).filter((entry): entry is [string, number] => entry[1] !== undefined),
  );
  return {
    ...{ weights, format, iouRange: [iouLow, iouHigh] as const },
    judge: judgeUrl === undefined ? undefined : { url: judgeUrl, model: judgeModel!, onNotice },
  };
}
