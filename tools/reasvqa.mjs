#!/usr/bin/env node
/**
 * The command: brings a checkout up to date (says nothing when it is), then runs dist/cli.js. An installed package is
 * complete but for the native addon, which the first command that computes builds (src/engine/native/build.ts).
 */
import { isCheckout } from './place.mjs';
import { SetupError, setup } from './setup.mjs';

try {
  if (isCheckout) await setup();
  const { main } = await import('../dist/cli.js');
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
}
