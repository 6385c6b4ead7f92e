/**
 * Bundles the compiled command line into a folder that needs no node_modules: FOLDER/dist/cli.js and its chunks.
 *
 *   node tools/gpu/bundle.mjs FOLDER
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
await build({
  entryPoints: { cli: join(root, 'dist/cli.js') },
  outdir: join(process.argv[2], 'dist'),
  // The bench command finds bench/ two folders above itself, as in the repository.
  chunkNames: 'commands/[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  mainFields: ['module', 'main'],
  // Native packages for videos and tokenizers of other kinds; what runs on the GPU machine uses neither.
  external: ['sharp', '@xenova/transformers', '*.node'],
  banner: {
    js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
  },
  logLevel: 'error',
});
