/**
 * The child of kill.test.ts, bundled by it: trains one recipe, or a sweep of one, and writes a line after each step.
 * Arguments: train or sweep, a file with the configuration as JSON (of a sweep: the `--set` texts), and the folder.
 */
import { readFile } from 'node:fs/promises';
import { selectEngine } from '../../src/engine/engine.js';
import { runSweep } from '../../src/sweep/run.js';
import { runShared } from '../../src/sweep/shared.js';
import { resolveSweep } from '../../src/sweep/spec.js';
import { train } from '../../src/training/train.js';

const [what, configFile, folder] = process.argv.slice(2) as [string, string, string];
await selectEngine('native-cpu', { threads: 1 });
const given = JSON.parse(await readFile(configFile, 'utf8'));
// The loop looks at its signal after every step.
const signal = {
  get aborted() {
    process.stdout.write('.\n');
    return false;
  },
} as AbortSignal;
if (what === 'train') await train({ config: given, folder, engine: {}, signal });
else {
  const spec = await resolveSweep({ overrides: given });
  const say = () => undefined;
  await runSweep({ folder, spec, executor: runShared, engine: { engine: 'native-cpu' }, signal, say });
}
