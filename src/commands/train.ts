/** `reasvqa train`: trains a student from a recipe. */
import type { Command } from 'commander';
import {
  configOf,
  type EngineChoice,
  fromCwd,
  type Io,
  interruptible,
  print,
  printJson,
  type RecipeOptions,
  startEngine,
  withBadVideo,
  withEngine,
  withRecipe,
} from './io.js';

interface TrainOptions extends RecipeOptions, EngineChoice {
  run: string;
  json?: boolean;
}

export function addTrain(program: Command, io: Io): void {
  withEngine(withBadVideo(withRecipe(program.command('train'))))
    .summary('train a student from a recipe')
    .description(
      'Trains, evaluates after every epoch and keeps the best checkpoint. The same command continues a run that was stopped; a finished run is only printed.',
    )
    .requiredOption('--run <folder>', 'run folder, made when missing (required)')
    .option('--json', 'print result.json (default: off)')
    .action(async (recipe: string | undefined, options: TrainOptions) => {
      const { config } = await configOf(io, recipe, options);
      await startEngine(io, options);
      const { train } = await import('../training/train.js');
      const folder = fromCwd(io, options.run);
      const result = await interruptible((signal) => train({ config, folder, signal, label: 'train' }));
      if (options.json) return printJson(io, result);
      const { formatScores } = await import('../evaluation/splitScore.js');
      if (result.score ?? result.tasks) print(io, formatScores(result));
      print(io, `${result.steps} steps in ${result.seconds.toFixed(0)} s; ${options.run}`);
    });
}
