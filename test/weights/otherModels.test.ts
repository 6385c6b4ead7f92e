/** config.json files of other models. */
import { describe, expect, it } from 'vitest';
import { DataError } from '../../src/base/errors.js';
import { parseBlip2Config } from '../../src/weights/config.js';
import { XL } from './layout.js';

describe('a config.json of another model', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'InstructBLIP',
      { model_type: 'instructblip' },
      /model_type is "instructblip": this is InstructBLIP, whose Q-Former reads/,
    ],
    [
      'InstructBLIP for video',
      { model_type: 'instructblipvideo' },
      /this is InstructBLIP for video, whose Q-Former/,
    ],
    ['BLIP', { model_type: 'blip' }, /model_type is "blip": this is BLIP, without a Q-Former/],
    ['a T5 alone', { model_type: 't5', d_model: 2048 }, /this is a T5 alone/],
    [
      'a model never heard of',
      { model_type: 'constructor' },
      /model_type is "constructor", which is not supported/,
    ],
    [
      'BLIP-2 for retrieval',
      { ...XL, architectures: ['Blip2ForImageTextRetrieval'] },
      /architectures is "Blip2ForImageTextRetrieval": this is a BLIP-2 for retrieval, without a language model/,
    ],
    [
      'a BLIP-2 whose Q-Former reads text',
      { qformer_config: { use_qformer_text_input: true } },
      /qformer_config\.use_qformer_text_input is true: this is a BLIP-2 for retrieval/,
    ],
    [
      'InstructBLIP by its Q-Former',
      { ...XL, qformer_config: { model_type: 'instructblip_qformer' } },
      /qformer_config\.model_type is "instructblip_qformer": this is InstructBLIP/,
    ],
    [
      'a decoder alone behind BLIP-2',
      { ...XL, use_decoder_only_language_model: true },
      /use_decoder_only_language_model is true: this is a BLIP-2 with a language model that has no encoder/,
    ],
    [
      'BLIP-2 with OPT',
      { model_type: 'blip-2', text_config: { model_type: 'opt', hidden_size: 2560 } },
      /text_config\.model_type is "opt": this is a BLIP-2 with OPT/,
    ],
    [
      'BLIP-2 with Vicuna',
      { text_config: { model_type: 'llama' } },
      /text_config\.model_type is "llama": .* Vicuna/,
    ],
  ])('says that it is %s', (_, json, message) => {
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(DataError);
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(message);
    expect(() => parseBlip2Config(json, 'x/config.json')).toThrow(
      /^x\/config\.json: .*, which is not supported; expected BLIP-2 with FlanT5$/,
    );
  });

  it.each<[Record<string, unknown>]>([
    [{ model_type: 'blip-2' }],
    [{ model_type: null }],
    [{ architectures: ['Blip2ForConditionalGeneration'] }],
    [{ architectures: null, qformer_config: { use_qformer_text_input: false } }],
  ])('is not seen in %j', (more) => {
    expect(parseBlip2Config({ ...XL, ...more }).text_config.d_model).toBe(2048);
  });
});
