/** The page of keys equals the schema. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { keysTable } from '../../src/config/keys.js';

describe('src/config/keys.md', () => {
  it('holds the output of `reasvqa config --keys`', async () => {
    const text = await readFile(new URL('../../src/config/keys.md', import.meta.url), 'utf8');
    const table = text.split('<!-- reasvqa config --keys -->\n')[1]?.split('\n<!-- end of keys -->')[0];
    expect(table).toBe(keysTable());
  });
});
