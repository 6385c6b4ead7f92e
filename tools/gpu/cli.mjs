/** The command in a folder that tools/gpu/pack.sh made: tools/reasvqa.mjs there, which has nothing to set up. */
import { main } from '../dist/commands/cli.js';

process.exitCode = await main(process.argv.slice(2));
