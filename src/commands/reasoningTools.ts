/** `reasvqa reasoning`: what is in files of model-written reasoning. */
import type { Command } from 'commander';
import type { Io } from './io.js';
import { addReasoningExplain } from './reasoningExplain.js';
import { addReasoningGrade } from './reasoningGrade.js';
import { addReasoningSample } from './reasoningSample.js';
import { addReasoningStats } from './reasoningStats.js';

export function addReasoningTools(program: Command, io: Io): void {
  const reasoning = program
    .command('reasoning')
    .summary("grade, count and look at a large model's reasoning")
    .description("Files of a large model's reasoning: how it is graded, refined, and what is in it.");
  addReasoningGrade(reasoning, io);
  addReasoningStats(reasoning, io);
  addReasoningSample(reasoning, io);
  addReasoningExplain(reasoning, io);
}
