/** The list of keys. */
import { describe, expect, it } from 'vitest';
import { CONFIG_KEYS, configKey, keysTable, sectionKeys } from '../../src/config/keys.js';

describe('keys of the schema', () => {
  it('every key is documented and typed', () => {
    expect(CONFIG_KEYS.length).toBeGreaterThan(50);
    for (const key of CONFIG_KEYS) {
      expect(key.description, key.name).toMatch(/\.$/);
      expect(key.type, key.name).not.toBe('');
    }
    expect(CONFIG_KEYS.filter((key) => key.required).map((key) => key.name)).toEqual([
      'data.dataset',
      'data.videos',
    ]);
  });

  it('says types as a person would', () => {
    expect(configKey('train.beta')).toMatchObject({ type: 'number in [0, 1]', default: 0.8, kind: 'other' });
    expect(configKey('model.lora.dropout')?.type).toBe('number in [0, 1)');
    expect(configKey('train.learningRate')?.type).toBe('number, above 0');
    expect(configKey('train.epochs')?.type).toBe('integer, at least 1');
    expect(configKey('data.videos')).toMatchObject({ type: 'path', kind: 'path' });
    expect(configKey('model.base')?.kind).toBe('pathOrId');
    expect(configKey('model.lora.targets')?.type).toBe('list of text');
    expect(configKey('train.recompute')?.type).toBe('true | false | light');
    expect(sectionKeys('model.lora')).toEqual(['r', 'alpha', 'dropout', 'targets']);
  });

  it('the table has a row a key, with no broken cell', () => {
    const rows = keysTable().split('\n');
    expect(rows).toHaveLength(CONFIG_KEYS.length + 2);
    for (const row of rows) expect(row.replaceAll('\\|', '').split('|')).toHaveLength(6);
  });
});
