#!/usr/bin/env node
/** The command: brings the checkout up to date (says nothing when it is), then runs dist/cli.js. */
import { SetupError, setup } from './setup.mjs';

try {
  await setup();
  const { main } = await import('../dist/cli.js');
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
}
