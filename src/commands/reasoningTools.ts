/** `reasvqa reasoning`: what is in files of model-written reasoning. */
import type { Command } from 'commander';
import type { Io } from './io.js';
import { addReasoningExplain } from './reasoningExplain.js';
import { addReasoningGrade } from './reasoningGrade.js';
import { addLeak } from './reasoningLeak.js';
import { addReasoningSample } from './reasoningSample.js';
import { addReasoningStats } from './reasoningStats.js';
import { addTruth } from './reasoningTruth.js';

export function addReasoningTools(program: Command, io: Io): void {
  const reasoning = program
    .command('reasoning')
    .summary("grade, count, look at and test a large model's reasoning")
    .description(
      "Files of a large model's reasoning: how it is graded and refined, what is in it, how much of the answer it tells, and what of it is true.",
    );
  addReasoningGrade(reasoning, io);
  addReasoningStats(reasoning, io);
  addReasoningSample(reasoning, io);
  addReasoningExplain(reasoning, io);
  addLeak(reasoning, io);
  addTruth(reasoning, io);
}
