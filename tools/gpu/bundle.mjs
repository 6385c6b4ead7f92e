/**
 * Bundles what a GPU machine runs into a folder that needs no node_modules but jasmine-core: the command line
 * (FOLDER/dist/commands/cli.js and its chunks) and the runner of tfjs's own tests (FOLDER/tools/conformance.mjs).
 *
 *   node tools/gpu/bundle.mjs FOLDER
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = process.argv[2];
const common = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  mainFields: ['module', 'main'],
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  logLevel: 'error',
};

await build({
  ...common,
  // The bench command finds bench/ two folders above itself, as in the repository.
  entryPoints: { 'commands/cli': join(root, 'dist/cli.js') },
  outdir: join(folder, 'dist'),
  chunkNames: 'commands/[name]-[hash]',
  splitting: true,
  minify: true,
  // Native packages for videos and tokenizers of other kinds; what runs on the GPU machine uses neither.
  external: ['sharp', '@xenova/transformers', '*.node'],
});

await build({
  ...common,
  entryPoints: [join(root, 'tools/conformance.mjs')],
  outfile: join(folder, 'tools/conformance.mjs'),
  // One copy of jasmine-core for the runner and the specs; the others are for making the bundle of specs.
  external: ['jasmine-core', 'jasmine-core/*', 'esbuild', '../test/*'],
});
