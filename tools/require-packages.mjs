/**
 * Makes the compiled sources load large CommonJS packages by `require`, each through one small module in packages/.
 *
 * Node compiles an imported CommonJS file to see whether it is one, reads it again for the names that it exports, and
 * compiles it to run it; a required file is compiled once. tfjs-core, tfjs-layers and sharp take 0.75 s of CPU time
 * imported and 0.22 s required. Type checking, tests and declarations know nothing of it.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

const require = createRequire(import.meta.url);

const PACKAGES = [
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  '@tensorflow/tfjs-backend-cpu',
  'sharp',
];

/**
 * Changes the imports of every compiled file below a folder in place.
 * @param {string} folder compiled sources
 */
export function requirePackages(folder) {
  // One that cannot be loaded on this machine stays imported: whoever needs it is told so then.
  const loaded = PACKAGES.filter(isLoadable);
  mkdirSync(join(folder, 'packages'), { recursive: true });
  for (const name of loaded) writeFileSync(placeOf(folder, name), moduleOf(name));
  for (const file of readdirSync(folder, { recursive: true })) {
    if (!file.endsWith('.js') || file.startsWith('packages')) continue;
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    const changed = loaded.reduce((code, name) => {
      const place = relative(dirname(path), placeOf(folder, name)).replaceAll('\\', '/');
      const target = place.startsWith('.') ? place : `./${place}`;
      return code.replaceAll(IMPORT_OF(name), (_, start) => `${start}'${target}'`);
    }, text);
    if (changed !== text) writeFileSync(path, changed);
  }
}

/** `from 'name'`, `import 'name'` or `import('name')`, of an import statement or expression. */
const IMPORT_OF = (name) => new RegExp(`(\\bfrom\\s+|\\bimport\\s+|\\bimport\\()'${name}'`, 'g');

const placeOf = (folder, name) => join(folder, 'packages', `${name.split('/').at(-1)}.js`);

function isLoadable(name) {
  try {
    require(name);
    return true;
  } catch {
    return false;
  }
}

/** A module with the names that an import of the package has. */
function moduleOf(name) {
  const names = Object.keys(require(name)).filter(
    (each) => /^[A-Za-z_$][\w$]*$/.test(each) && !isReserved(each),
  );
  return `/** ${name}, required; see tools/require-packages.mjs. */
import { createRequire } from 'node:module';
const loaded = createRequire(import.meta.url)('${name}');
export default loaded;
export const { ${names.join(', ')} } = loaded;
`;
}

/** Whether a name cannot be a variable's. */
function isReserved(name) {
  try {
    new Function(`'use strict'; const ${name} = 0;`);
    return false;
  } catch {
    return true;
  }
}
