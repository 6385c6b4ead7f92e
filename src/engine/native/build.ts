/**
 * The native addon of an installed package, which has no install script: the first engine that needs the addon builds it.
 * A checkout, which has the lock file, is built by its own commands (tools/setup.mjs).
 */
import { existsSync } from 'node:fs';
import { EngineError, messageOf } from '../../base/errors.js';
import { say } from '../../base/progress.js';
import { buildCommand, useAddon } from './load.js';

/** tools/build-addon.mjs */
interface BuildTool {
  findAddon(): string | undefined;
  /** Why building these sources failed the last time. */
  earlierFailure(): string | undefined;
  buildAddon(): { path: string };
}

/**
 * Finds the addon or builds it, which takes a minute and happens once. After a failure `nativeDevice` throws its
 * reason.
 */
export async function prepareAddon(): Promise<void> {
  const tool = new URL('../../../tools/build-addon.mjs', import.meta.url);
  const lockfile = new URL('../../../package-lock.json', import.meta.url);
  if (process.env.REASVQA_ADDON || existsSync(lockfile) || !existsSync(tool)) return;
  const { findAddon, earlierFailure, buildAddon } = (await import(tool.href)) as BuildTool;
  try {
    const path = findAddon();
    // A failed build is not repeated in the same process: it would take as long to fail again.
    const earlier = path === undefined ? earlierFailure() : undefined;
    if (earlier !== undefined) throw new Error(earlier);
    if (path === undefined) say('building the native engine, this once');
    useAddon(path ?? buildAddon().path);
  } catch (error) {
    useAddon(new EngineError(oneLine(messageOf(error)), { cause: error }));
  }
}

/** The first error of a compiler's output is the one to show. */
function oneLine(message: string): string {
  const [first, ...output] = message.split('\n');
  if (output.length === 0) return message;
  const told = output.find((line) => /\berror\b/i.test(line)) ?? output[0]!;
  return `${first} ${told.trim()} (all of it, and another try: ${buildCommand()})`;
}
