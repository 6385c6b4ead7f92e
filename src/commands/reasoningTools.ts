/** `reasvqa reasoning`: what generated reasoning holds, and what refinement leaves of it. */
import type { Command } from 'commander';
import type { Io } from './io.js';
import { addLeak } from './reasoningLeak.js';
import { addTruth } from './reasoningTruth.js';

export function addReasoning(program: Command, io: Io): void {
  const group = program
    .command('reasoning')
    .summary('measure what generated and refined reasoning tells')
    .description('Generated and refined reasoning: what it tells of the answer, and what of it is true.');
  addLeak(group, io);
  addTruth(group, io);
}
