/** `reasvqa config`: checks a recipe and prints what it resolves to. */
import type { Command } from 'commander';
import { configOf, type Io, print, printJson, type RecipeOptions, withRecipe } from './io.js';

interface Options extends RecipeOptions {
  json?: boolean;
  keys?: boolean;
}

export function addConfig(program: Command, io: Io): void {
  withRecipe(program.command('config'))
    .summary('check a recipe and print what it resolves to')
    .description(
      'Checks a recipe with its overrides and prints every key as it resolves, with the place its value comes from.',
    )
    .option('--json', 'print {config, sources, hash} as JSON (default: off)')
    .option('--keys', 'print a Markdown table of all keys instead (default: off)')
    .action(async (recipe: string | undefined, options: Options) => {
      const { CONFIG_KEYS, keysTable } = await import('../config/keys.js');
      if (options.keys) return print(io, keysTable());
      const { config, sources } = await configOf(io, recipe, options);
      const { configHash } = await import('../config/load.js');
      if (options.json) return printJson(io, { config, sources, hash: configHash(config) });
      for (const { name } of CONFIG_KEYS) {
        const value = name
          .split('.')
          .reduce<unknown>((section, key) => (section as Record<string, unknown> | undefined)?.[key], config);
        if (value !== undefined) print(io, `${name}: ${JSON.stringify(value)}  # ${sources[name]}`);
      }
      print(io, `# sha256 ${configHash(config)}`);
    });
}
