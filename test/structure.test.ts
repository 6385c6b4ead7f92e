/** Imports and names across the rooms of src; what test files leave behind. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ALONE, TOGETHER } from './support/together.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const src = join(root, 'src');

/** Rooms from the top down (src/README.md); a file may import its own room and those on lower floors. */
const FLOORS = [
  ['cli.ts', 'index.ts'],
  ['commands'],
  ['demo', 'tables', 'serve'],
  ['sweep'],
  ['parity', 'pretraining', 'report'],
  ['training'],
  ['evaluation', 'rewards'],
  ['batches', 'shapes'],
  ['reasoning', 'features'],
  ['config'],
  ['text'],
  ['model'],
  ['video'],
  ['data'],
  ['engine'],
  ['ops'],
  ['weights'],
  ['base'],
];

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'));
const roomOf = (file: string) => file.split('/')[0]!;
const floorOf = (file: string) => FLOORS.findIndex((rooms) => rooms.includes(roomOf(file)));

/** Files of src that a file imports, types and dynamic imports included. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(src, file), 'utf8');
  return [...text.matchAll(/(?:from\s*|import\(\s*)'(\.[^']+)'/g)].map(([, path]) =>
    normalize(join(dirname(file), path!))
      .replaceAll('\\', '/')
      .replace(/\.js$/, '.ts'),
  );
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** The circles of imports: strongly connected files (Tarjan 1972). */
function circles(): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const visit = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.get(file)!);
    stack.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(file, Math.min(low.get(file)!, low.get(next)!));
    }
    if (low.get(file) !== index.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) found.push(circle);
  };
  for (const file of files) if (!index.has(file)) visit(file);
  return found;
}

describe('the structure of src', () => {
  it('has a floor for every room', () => {
    expect(files.filter((file) => floorOf(file) < 0)).toEqual([]);
  });

  it('has no import that runs upward', () => {
    const upward = files.flatMap((file) =>
      imports
        .get(file)!
        .filter((to) => roomOf(to) !== roomOf(file) && floorOf(to) <= floorOf(file))
        .map((to) => `${file} -> ${to}`),
    );
    expect(upward).toEqual([]);
  });

  it('has no circle of imports', () => {
    expect(circles()).toEqual([]);
  });

  it('knows an architecture in model/ and weights/ alone', () => {
    const inside = /^(model|weights)\//;
    const outside = files.filter((file) => !inside.test(file));
    const told = outside.flatMap((file) =>
      imports
        .get(file)!
        .filter((to) => /^model\/\w+\//.test(to) && !to.startsWith('model/layers/'))
        .map((to) => `${file} -> ${to}`),
    );
    expect(told).toEqual([]);
  });

  it('names an architecture in model/, weights/ and the tables of the paper alone', () => {
    // The default base model, and sources of defaults.
    const known = ['Salesforce/blip2-flan-t5-xl', '(the paper: BLIP-2 FlanT5-XL)', 'InstructBLIP'];
    const naming = files
      .filter((file) => !/^(model|weights|tables)\//.test(file))
      .flatMap((file) => {
        const lines = readFileSync(join(src, file), 'utf8').split('\n');
        return lines.map((line, i) => ({ place: `${file}:${i + 1}`, line }));
      })
      .filter(({ line }) =>
        /blip|q-?former|\bt5\b/i.test(known.reduce((rest, id) => rest.replace(id, ''), line)),
      );
    expect(naming.map(({ place }) => place)).toEqual([]);
  });

  it('imports only files that are there', () => {
    const missing = [...imports].flatMap(([file, targets]) =>
      targets
        .filter((to) => !existsSync(join(src, to)) && !to.endsWith('.json'))
        .map((to) => `${file} -> ${to}`),
    );
    expect(missing).toEqual([]);
  });

  it('makes folders by makeFolder alone, and never by the recursive mkdir of Node, which may not end', () => {
    const own = files.filter(
      (file) =>
        file !== 'base/files.ts' &&
        /\bmkdir\(|\bmkdirSync\([^;]*recursive/.test(readFileSync(join(src, file), 'utf8')),
    );
    expect(own).toEqual([]);
  });
});

describe('test files that share a process', () => {
  const together = TOGETHER.flatMap((pattern) => {
    const [room, wild] = pattern.split('/**') as [string, string?];
    if (wild === undefined) return [pattern];
    return readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .map((file) => `${room}/${file.replaceAll('\\', '/')}`)
      .filter((file) => file.endsWith('.test.ts') && !ALONE.includes(file));
  });
  const textOf = (file: string) => readFileSync(join(root, file), 'utf8');

  it('start no engine, replace no module, register nothing and set no variable', () => {
    expect(together.length).toBeGreaterThan(180);
    const leaves =
      /@tensorflow|support\/cuda|model\/support|training\/support|process\.env(\.\w+|\[.+\]) = |vi\.(doM|m)ock\(|chdir\(|\bregister[A-Z]\w*\(|\/toy/;
    expect(together.filter((file) => leaves.test(textOf(file)))).toEqual([]);
  });

  it('take back what they stub and spy on', () => {
    const stubbing = together.filter((file) => /vi\.(stubEnv|stubGlobal|spyOn)\(/.test(textOf(file)));
    expect(stubbing.length).toBeGreaterThan(0);
    const undo = /unstubAllEnvs|unstubAllGlobals|restoreAllMocks|mockRestore/;
    expect(stubbing.filter((file) => !undo.test(textOf(file)))).toEqual([]);
  });
});
