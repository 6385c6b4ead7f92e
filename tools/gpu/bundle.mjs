/**
 * Bundles what a GPU machine runs into a folder that needs no node_modules but jasmine-core: the command line
 * (FOLDER/dist/commands/cli.js and its chunks), the runner of tfjs's own tests (FOLDER/tools/conformance.mjs), and those
 * of the project's tests that have a form on native-cuda, with a runner for them (FOLDER/test).
 *
 *   node tools/gpu/bundle.mjs FOLDER
 */
import { copyFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = process.argv[2];
/** Tests that compare native-cuda with native-cpu or with a reference, beside all of test/ops. */
const TESTS = [
  'engine/cuda/device',
  'engine/kernels',
  'engine/training',
  'model/adapter',
  'model/forward',
  'model/generate',
  'model/load',
  'native/copy',
  'native/cudaAttention',
  'native/cudaFused',
  'native/gemm',
  'native/index',
  'native/math',
  'native/reduce',
  'native/halfProduct',
  'native/storage',
  'training/optimizer',
];
const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  mainFields: ['module', 'main'],
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  // Native packages for videos and tokenizers of other kinds; what runs on the GPU machine uses neither.
  external: ['sharp', '@xenova/transformers', '*.node'],
  logLevel: 'error',
};

await bundleCli();
await bundleConformance();
await bundleTests();

function bundleCli() {
  return build({
    ...common,
    // The bench command finds bench/ two folders above itself, as in the repository.
    entryPoints: { 'commands/cli': join(root, 'dist/cli.js') },
    outdir: join(folder, 'dist'),
    chunkNames: 'commands/[name]-[hash]',
    splitting: true,
    minify: true,
  });
}

function bundleConformance() {
  return build({
    ...common,
    entryPoints: [join(root, 'tools/conformance.mjs')],
    outfile: join(folder, 'tools/conformance.mjs'),
    // One copy of jasmine-core for the runner and the specs; the others are for making the bundle of specs.
    external: ['jasmine-core', 'jasmine-core/*', 'esbuild', '../test/*'],
  });
}

/** Each test file where the repository has it, so that what it finds from its own place is found here too. */
async function bundleTests() {
  const ops = readdirSync(join(root, 'test/ops')).filter((name) => name.endsWith('.test.ts'));
  const names = [...TESTS, ...ops.map((name) => `ops/${name.replace('.test.ts', '')}`)];
  const wasm = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm');
  await build({
    ...common,
    entryPoints: {
      run: join(root, 'tools/gpu/tests.mjs'),
      testFile: join(root, 'tools/gpu/testFile.mjs'),
      // An entry of its own, so that its code is in shared/, where it looks for its .wasm files.
      'shared/wasm': wasm,
      ...Object.fromEntries(names.map((name) => [`${name}.test`, join(root, `test/${name}.test.ts`)])),
    },
    outdir: join(folder, 'test'),
    outExtension: { '.js': '.mjs' },
    chunkNames: 'shared/[hash]',
    splitting: true,
    alias: { vitest: join(root, 'tools/gpu/vitest.mjs') },
    banner: { js: `${common.banner.js} const __dirname = import.meta.dirname;` },
    // A failure names the line of the repository's file.
    sourcemap: true,
    sourcesContent: false,
    minifyWhitespace: true,
  });
  for (const name of readdirSync(join(wasm, 'dist')).filter((name) => name.endsWith('.wasm')))
    copyFileSync(join(wasm, 'dist', name), join(folder, 'test/shared', name));
}
