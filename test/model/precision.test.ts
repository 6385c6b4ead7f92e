import { beforeAll, expect, it } from 'vitest';
import { selectEngine } from '../../src/engine/engine.js';
import { EngineError } from '../../src/errors.js';
import { bf16Parameters, usePrecision } from '../../src/model/precision.js';
import { tinyModel } from './support.js';

beforeAll(() => selectEngine('cpu'));

it('an engine without bf16 refuses it, naming the setting and the engine', () => {
  const refuse = () => usePrecision('bf16', 'model.precision');
  expect(refuse).toThrow(EngineError);
  expect(refuse).toThrow(/^model\.precision bf16: the engine cpu computes in f32 alone; use f32/);
});

it('takes linear weights and the head, and of those none that is trained', () => {
  const model = tinyModel();
  const names = (groups: Parameters<typeof bf16Parameters>[1]) =>
    [...bf16Parameters(model, groups)].map(({ name }) => name);
  const frozen = names(['lora']);
  expect(frozen).toContain('language_model.lm_head.weight');
  expect(frozen).toContain('vision_model.encoder.layers.0.self_attn.qkv.weight');
  expect(frozen).toContain('qformer.encoder.layer.0.attention.attention.query.weight');
  expect(frozen.every((name) => name.endsWith('.weight') && !/lora|norm|shared/i.test(name))).toBe(true);
  expect(names(['qformer']).some((name) => name.startsWith('qformer.'))).toBe(false);
  expect(names(['all'])).toEqual([]);
  model.dispose();
});
