/** The options of `ask` and `serve` that name the student, and opening it. */
import type { Command } from 'commander';
import type { OpenAsked } from '../training/asked.js';
import { type EngineChoice, type Io, note, startEngine, withEngine } from './io.js';

export interface StudentChoice extends EngineChoice {
  run?: string;
  model?: string;
  adapter?: string;
  set: string[];
}

export function withStudent(command: Command): Command {
  return withEngine(
    command
      .option('--run <folder>', 'ask the best checkpoint of this run (default: none)')
      .option(
        '--model <folder or id>',
        'ask this model: a folder of weights, or a name or id that weights fetch has fetched (default: weights/shapes, which ships and knows the shapes world only)',
      )
      .option('--adapter <folder>', 'PEFT adapter for --model (default: none)')
      .option(
        '-s, --set <key=value>',
        'change a key, for example video.frames=8 or model.precision=bf16; may be repeated (default: none)',
        (text: string, earlier: string[]) => [...earlier, text],
        [],
      ),
  );
}

/** Starts the engine and opens the student; names both on stderr. */
export async function openStudent(io: Io, choice: StudentChoice): Promise<OpenAsked> {
  await startEngine(io, choice);
  const { openAsked } = await import('../training/asked.js');
  const { run, model, adapter, set: overrides } = choice;
  const asked = await openAsked({ run, model, adapter, overrides, cwd: io.cwd });
  for (const line of asked.notices) note(io, line);
  note(io, `model: ${asked.description}${asked.ships ? ' (it knows the shapes world only)' : ''}`);
  return asked;
}
