/**
 * Runs tfjs-core's own test suite (dist/**\/*_test.js of its npm package, 4,232 specs) against one of our engines.
 *
 *   node tools/conformance.mjs [--engine native-cpu|native-cuda|cpu|wasm] [--shim] [--filter REGEXP] [--json FILE]
 *
 * --bundle FILE only writes the specs as one file; --run FILE runs such a file, for a machine without node_modules.
 *
 * native-cuda runs on the GPU; with --shim on the tests' CUDA shim, which needs none.
 *
 * The specs are ES modules with extension-less imports, which Node cannot load, so esbuild bundles them with one copy
 * of tfjs-core. Prints `N passed, N failed, N skipped`; exit code 1 when a spec failed. Specs that cannot pass are listed
 * with their reasons in tools/conformance-skip.json, and one that is listed but passes is an error too.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import Jasmine from 'jasmine';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const core = join(root, 'node_modules/@tensorflow/tfjs-core');
const { values: options } = parseArgs({
  options: {
    engine: { type: 'string', default: 'native-cpu' },
    shim: { type: 'boolean', default: false },
    filter: { type: 'string' },
    json: { type: 'string' },
    bundle: { type: 'string' },
    run: { type: 'string' },
  },
});
const engine = options.engine;
const workDir = join(root, 'build/conformance', `${engine}-${process.pid}`);

/** How each engine's backend and kernels get registered inside the bundle. */
const SETUP = {
  'native-cpu': `import '@tensorflow/tfjs-backend-cpu';
import { registerNativeBackend } from ${JSON.stringify(join(root, 'src/engine/native/register.ts'))};
registerNativeBackend();`,
  'native-cuda': `import '@tensorflow/tfjs-backend-cpu';
import { registerCudaBackend } from ${JSON.stringify(join(root, 'src/engine/native/register.ts'))};
registerCudaBackend();`,
  cpu: `import '@tensorflow/tfjs-backend-cpu';`,
  wasm: `import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { delegateToCpu } from ${JSON.stringify(join(root, 'src/engine/wasm.ts'))};
setWasmPaths(${JSON.stringify(`${workDir}/`)});
delegateToCpu();`,
};

if (!(engine in SETUP)) {
  process.stderr.write(`--engine ${engine}: expected ${Object.keys(SETUP).join(', ')}\n`);
  process.exit(2);
}

if (options.shim) {
  const { buildCudaShim } = await import('../test/cudaShim/build.mjs');
  Object.assign(process.env, buildCudaShim());
}
// Specs of gather expect an error at the call; without waiting, what a kernel reports comes with the next read.
process.env.REASVQA_CUDA_SYNC = '1';

/** Paths of the spec files, as tfjs-core's own list names them. */
function specFiles() {
  const list = readFileSync(join(core, 'dist/tests.js'), 'utf8');
  return [...list.matchAll(/^import '\.\/(.+)';$/gm)].map(([, path]) => join(core, 'dist', `${path}.js`));
}

async function bundle() {
  const { build } = await import('esbuild');
  mkdirSync(workDir, { recursive: true });
  const environment = { name: engine, backendName: engine, flags: {}, isDataSync: true };
  const before = join(workDir, 'before.js');
  writeFileSync(
    before,
    `import '@tensorflow/tfjs-core/dist/index';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';
${SETUP[engine]}
setTestEnvs([${JSON.stringify(environment)}]);
`,
  );
  const entry = join(workDir, 'entry.js');
  const imports = specFiles().map((path) => `import ${JSON.stringify(path)};`);
  writeFileSync(entry, [`import './before.js';`, ...imports].join('\n'));
  const outfile = join(workDir, 'bundle.cjs');
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    // One copy of core; its "sideEffects" field would drop the spec files.
    alias: { '@tensorflow/tfjs-core': core },
    ignoreAnnotations: true,
    external: ['*.node', 'jasmine-core', 'jasmine-core/*'],
    nodePaths: [join(root, 'node_modules')],
    // In a CommonJS bundle import.meta is empty; the addon is found from this path.
    define: {
      'import.meta.url': JSON.stringify(pathToFileURL(join(root, 'src/engine/native/addon.ts')).href),
    },
    logLevel: 'error',
  });
  return outfile;
}

function copyWasm() {
  const folder = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.wasm')) copyFileSync(join(folder, name), join(workDir, name));
  }
}

/** Spec name (or its beginning) to the reason why it cannot pass. */
function skipList() {
  const path = join(root, 'tools/conformance-skip.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8'))[engine] ?? {}) : {};
}

async function main() {
  const file = options.run ? resolve(options.run) : await bundle();
  if (options.bundle) {
    copyFileSync(file, options.bundle);
    rmSync(workDir, { recursive: true, force: true });
    return;
  }
  if (engine === 'wasm') copyWasm();
  const skips = Object.keys(skipList());
  const isListed = (name) => skips.some((skip) => name.startsWith(skip));
  const pattern = options.filter ? new RegExp(options.filter) : undefined;
  const result = { passed: 0, failed: 0, skipped: 0, failures: [], listedButPass: [] };

  const jasmine = new Jasmine();
  jasmine.exitOnCompletion = false;
  jasmine.clearReporters();
  jasmine.env.configure({
    random: false,
    specFilter: (spec) => !pattern || pattern.test(spec.getFullName()),
  });
  jasmine.env.addReporter({
    specDone(spec) {
      if (spec.status === 'excluded') return;
      const listed = isListed(spec.fullName);
      if (spec.status === 'passed') {
        result.passed++;
        if (listed) result.listedButPass.push(spec.fullName);
      } else if (spec.status === 'pending' || listed) {
        result.skipped++;
      } else {
        result.failed++;
        const [first] = spec.failedExpectations;
        result.failures.push({ name: spec.fullName, message: first?.message, stack: first?.stack });
      }
    },
  });
  // Specs of tf.profile print tables; stdout is for the result.
  console.log = () => {};
  createRequire(import.meta.url)(file);
  await jasmine.env.execute();

  for (const { name, message } of result.failures.slice(0, 40)) {
    process.stderr.write(`FAILED ${name}\n  ${String(message).split('\n')[0].slice(0, 200)}\n`);
  }
  for (const name of result.listedButPass) {
    process.stderr.write(`listed in conformance-skip.json but passes: ${name}\n`);
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  process.stdout.write(
    `${engine}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped\n`,
  );
  rmSync(workDir, { recursive: true, force: true });
  process.exit(result.failed > 0 || result.passed === 0 || result.listedButPass.length > 0 ? 1 : 0);
}

await main();
