/**
 * Bundles the tokenizer of @xenova/transformers into one file, text/xenova.js of the compiled sources.
 *
 * The whole package cannot be a dependency of an installed one: it wants sharp ^0.32, whose install script downloads a
 * binary, and our `overrides` act in this checkout only. Tokenizing needs 1.5 % of it: no ONNX runtime (160 MB), no images.
 */
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** What tokenizers.js imports and a tokenizer never calls: models, downloads, chat templates. */
const UNUSED = {
  '../backends/onnx.js': 'export const ONNX = { Tensor: class {} };',
  './utils/hub.js': 'export const getModelJSON = undefined;',
  '@huggingface/jinja': 'export const Template = undefined;',
};

const leaveOut = {
  name: 'leave-out',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path }) =>
      Object.hasOwn(UNUSED, path) ? { path, namespace: 'unused', sideEffects: false } : undefined,
    );
    onLoad({ filter: /./, namespace: 'unused' }, ({ path }) => ({ contents: UNUSED[path] }));
  },
};

/**
 * Bundles `<folder>/text/xenova.js` in place.
 * @param {string} folder compiled sources
 */
export async function bundleTokenizer(folder) {
  const file = join(folder, 'text/xenova.js');
  const { version, license } = JSON.parse(
    readFileSync(require.resolve('@xenova/transformers/package.json'), 'utf8'),
  );
  const bundled = `${file}.bundled`;
  await build({
    entryPoints: [file],
    outfile: bundled,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    charset: 'utf8',
    // The compiled file may lie outside the checkout's tree of modules.
    nodePaths: [join(root, 'node_modules')],
    plugins: [leaveOut],
    banner: { js: `/*! The tokenizer of @xenova/transformers ${version}, by Xenova; ${license}. */` },
    logLevel: 'silent',
  });
  renameSync(bundled, file);
  rmSync(`${file}.map`, { force: true });
}
