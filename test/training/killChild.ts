/**
 * The child of kill.test.ts, bundled by it: trains one recipe and writes a line after each step.
 * Arguments: a file with the configuration as JSON, and the run folder.
 */
import { readFile } from 'node:fs/promises';
import { selectEngine } from '../../src/engine/engine.js';
import { train } from '../../src/training/train.js';

const [configFile, folder] = process.argv.slice(2);
await selectEngine('native-cpu', { threads: 1 });
const config = JSON.parse(await readFile(configFile!, 'utf8'));
// The loop looks at its signal after every step.
const signal = {
  get aborted() {
    process.stdout.write('.\n');
    return false;
  },
} as AbortSignal;
await train({ config, folder: folder!, engine: {}, signal });
