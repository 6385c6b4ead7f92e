/**
 * Runs the bundled tests beside it (FOLDER/test of a folder that tools/gpu/pack.sh made), each file in a process of its
 * own as vitest does: what one leaves behind, or a GPU that fails under it, is not the next one's.
 *
 *   node tests.mjs [--json FILE] [PART...]      only files with one of these in their path
 *
 * Prints every failure, then `N passed, N failed, N skipped`. Exit code 1 when a test failed or nothing ran.
 */
import { fork } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { addCounts, summary } from '../testCounts.mjs';

const folder = import.meta.dirname;
const { values: options, positionals: parts } = parseArgs({
  options: { json: { type: 'string' } },
  allowPositionals: true,
});

const files = readdirSync(folder, { recursive: true })
  .filter(
    (name) => name.endsWith('.test.mjs') && (parts.length === 0 || parts.some((part) => name.includes(part))),
  )
  .sort();
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const skips = [];
for (const file of files) {
  const start = performance.now();
  const outcome = await run(join(folder, file));
  const counts = { passed: outcome.passed, failed: outcome.failures.length, skipped: outcome.skipped.length };
  addCounts(total, counts);
  failures.push(...outcome.failures.map((each) => ({ file, ...each })));
  skips.push(...outcome.skipped.map((each) => ({ file, ...each })));
  process.stderr.write(
    `${file}: ${summary(counts)} (${((performance.now() - start) / 1000).toFixed(1)} s)\n`,
  );
  for (const { name, errors } of outcome.failures) {
    process.stderr.write(`FAILED ${file}${name && ` > ${name}`}\n`);
    for (const { message, stack } of errors) process.stderr.write(`  ${stack ?? message}\n`);
  }
}
if (total.passed + total.failed === 0)
  process.stderr.write(
    `no test ran: ${files.length} files in ${relative('.', folder) || '.'} match ${parts.join(' ') || 'test.mjs'}\n`,
  );
if (options.json) writeFileSync(options.json, `${JSON.stringify({ ...total, failures, skips }, null, 2)}\n`);
process.stdout.write(`${summary(total)}\n`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** What the tests of a file came to; a process that ends badly is a failure whatever it said before. */
function run(file) {
  return new Promise((resolve) => {
    let outcome = { passed: 0, failures: [], skipped: [] };
    // stdout is for the result.
    const child = fork(join(folder, 'testFile.mjs'), [file], {
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: ['--enable-source-maps'],
    });
    let reported = false;
    child.on('message', (message) => {
      reported = true;
      outcome = message;
    });
    child.on('close', (code, signal) => {
      if (code !== 0 || !reported) {
        const message = `its process ended with ${signal ?? `exit code ${code}`}${reported ? '' : ' before the tests were over'}`;
        outcome.failures.push({ name: '', errors: [{ message }] });
      }
      resolve(outcome);
    });
  });
}
