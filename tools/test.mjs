/**
 * Everything that must hold before a commit: setup, lint, types, tests, TensorFlow.js's conformance suite. Ends with
 * one line, `N passed, N failed, N skipped`, over tests and conformance; a lint or type error counts as one failure.
 * With CI set, the suite also runs on native-cuda's emulated GPU (half a minute) and the native tests once more under the
 * sanitizers (two minutes).
 *
 *   node tools/test.mjs
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, setup } from './setup.mjs';
import { addCounts, countsOfOutput, countsOfVitest, summary } from './testCounts.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (path) => [process.execPath, join(root, 'node_modules', path)];

const total = { passed: 0, failed: 0, skipped: 0 };
try {
  await setup();
  await Promise.all([
    check('lint', [...bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']),
    check('types', [...bin('typescript/bin/tsc'), '--noEmit']),
  ]);
  addCounts(total, await unitTests());
  // A suite runs its specs one by one in one process: two of them fill two cores.
  const suites = [conformance()];
  if (process.env.CI) suites.push(conformance('--engine', 'native-cuda', '--shim'));
  for (const counts of await Promise.all(suites)) addCounts(total, counts);
  if (process.env.CI) await sanitizers();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`setup: ${error.message}\n`);
  total.failed++;
}
process.stdout.write(`${summary(total)}\n`);
process.exitCode = total.failed > 0 ? 1 : 0;

/** A check without counts: says what it does, shows the output when it fails. */
async function check(name, command) {
  const { code, output } = await run(command);
  process.stdout.write(`${name}: ${code === 0 ? 'ok' : `failed\n${output}`}\n`);
  if (code !== 0) total.failed++;
}

async function unitTests() {
  const folder = mkdtempSync(join(tmpdir(), 'reasvqa-test-'));
  const report = join(folder, 'vitest.json');
  try {
    const options = ['run', '--config', 'test/vitest.config.ts', '--reporter=default', '--reporter=json'];
    const { code } = await run([...bin('vitest/vitest.mjs'), ...options, `--outputFile.json=${report}`], {
      show: true,
    });
    let json;
    try {
      json = JSON.parse(readFileSync(report, 'utf8'));
    } catch {
      process.stdout.write('vitest wrote no report\n');
    }
    return countsOfVitest(json, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function conformance(...options) {
  const command = [process.execPath, join(root, 'tools/conformance.mjs'), ...options];
  const { code, output } = await run(command, { show: true });
  return countsOfOutput(output, code);
}

/** The native tests on an addon built with ASan and UBSan; a finding counts as one failure. */
async function sanitizers() {
  const { code, output } = await run(['sh', join(root, 'tools/sanitize.sh')]);
  process.stdout.write(
    `sanitizers: ${{ 0: 'ok', 77: 'SKIPPED' }[code] ?? 'failed'}\n${code === 0 ? '' : output}`,
  );
  if (code === 77) total.skipped++;
  else if (code !== 0) total.failed++;
}

/** Runs a command in the root without stdin; `show` also passes its output on as it comes. */
function run([command, ...arguments_], { show = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, arguments_, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ])
      from.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (show) to.write(text);
      });
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
