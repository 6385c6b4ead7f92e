/** The registry of datasets, and the page on them. */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/base/errors.js';
import { datasetNames, datasetOf, datasetRecords } from '../../../src/data/datasets/index.js';

const src = fileURLToPath(new URL('../../../src/', import.meta.url));
const read = (path: string) => readFile(join(src, path), 'utf8');

/** The names that the files of the folder stand for. */
async function fileNames(): Promise<string[]> {
  const files = await readdir(join(src, 'data/datasets'));
  return files.map((file) => basename(file, '.ts')).filter((name) => !['dataset', 'index'].includes(name));
}

describe('the datasets', () => {
  it('are the files of the folder', async () => {
    const names = await fileNames();
    expect([...datasetNames()].sort()).toEqual(names.sort());
    for (const name of names) {
      const module = await import(`../../../src/data/datasets/${name}.ts`);
      expect(module[name], name).toBe(datasetOf(name));
    }
  });

  it('have groups and other names of reported types only', () => {
    for (const { name, types, countsAs = {}, groups } of datasetRecords()) {
      const reported = new Set(types.map((type) => countsAs[type] ?? type));
      for (const [type, other] of Object.entries(countsAs)) {
        expect(types, name).toContain(type);
        expect(reported, name).toContain(other);
      }
      const grouped = Object.values(groups).flat();
      expect(new Set(grouped).size, name).toBe(grouped.length);
      for (const type of grouped) expect(reported, name).toContain(type);
    }
  });

  it.each(['Nextqa', '', 'constructor'])('are not %j', (name) => {
    expect(() => datasetOf(name)).toThrow(UsageError);
    expect(() => datasetOf(name)).toThrow(
      `unknown dataset "${name}": expected one of ${datasetNames().join(', ')}`,
    );
  });

  // `star` is a shape as well, and `shapes` a command.
  it.each(['nextqa', 'intentqa', 'jsonl'])('%s is named in no code outside its folder', async (name) => {
    const files = (await readdir(src, { recursive: true })).filter(
      // The paper's tables and figures are about its data sets, ATP-hard is of one; published files are each of one.
      (file) =>
        file.endsWith('.ts') &&
        ![
          join('data', 'datasets'),
          'tables',
          join('report', 'figures', 'paper.ts'),
          join('data', 'atpHard.ts'),
          join('data', 'published.ts'),
        ].some((own) => file.startsWith(own)),
    );
    expect(files.length).toBeGreaterThan(100);
    for (const file of files) expect(await read(file), file).not.toMatch(new RegExp(`['"]${name}['"]`));
  });
});

describe('the page on datasets', () => {
  it('has a row for each', async () => {
    const rows = datasetRecords().map(({ name, title, splits, types, groups }) => {
      const cells = [Object.values(splits), types.length > 0 ? types : ['any'], Object.keys(groups)];
      return `| \`${name}\` | ${title} | ${cells.map((cell) => cell.join(', ')).join(' | ')} |`;
    });
    const page = await read('data/README.md');
    expect(page.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
  });

  it('shows the dataset of the tests, and leads to files that exist', async () => {
    const page = await read('data/README.md');
    const toy = await read('../test/data/toy.ts');
    const shown = page.split('```ts\n')[1]?.split('```')[0];
    expect(shown).toBe(
      toy
        .replace("'../../src/data/datasets/dataset.js'", "'./dataset.js'")
        .replaceAll("'../../src/data/", "'../"),
    );
    const links = [...page.matchAll(/\]\(([^)#]+)/g)].map(([, path]) => path!);
    expect(links.length).toBeGreaterThan(10);
    for (const link of links) {
      const folder = join(src, 'data', link, '..');
      expect(await readdir(folder), link).toContain(basename(link));
    }
  });
});
