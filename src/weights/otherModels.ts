/** Models that are easily taken for a student of ours: their config.json looks alike, their computation differs. */
import { DataError } from '../base/errors.js';
import { isRecord } from '../base/values.js';
import { quote } from './header.js';

/** Descriptions of each `model_type` of the family. */
const FAMILY: Readonly<Record<string, string>> = {
  instructblip: 'InstructBLIP, whose Q-Former reads the question',
  instructblipvideo: 'InstructBLIP for video, whose Q-Former reads the question',
  blip: 'BLIP, without a Q-Former',
  t5: 'a T5 alone, without BLIP-2 around it',
  blip_2_qformer: 'the Q-Former of a BLIP-2 alone',
  blip_2_vision_model: 'the vision model of a BLIP-2 alone',
  llava: 'LLaVA-1.5',
  llava_llama: 'LLaVA-1.5 in its original form',
  llava_mistral: 'LLaVA-NeXT on Mistral in its original form',
  llava_next: 'LLaVA-NeXT, which cuts still images into tiles',
  llava_next_video: 'LLaVA-NeXT-Video, on Vicuna or Mistral',
  video_llava: 'Video-LLaVA',
  vipllava: 'ViP-LLaVA',
};

/** Classes of LLaVA's original code, whose `model_type` is often "llava" whatever the language model. */
const ORIGINAL_LLAVA: Readonly<Record<string, string>> = {
  LlavaLlamaForCausalLM: 'LLaVA with Llama or Vicuna in its original form',
  LlavaMistralForCausalLM: 'LLaVA-NeXT on Mistral in its original form',
  LlavaMixtralForCausalLM: 'LLaVA with Mixtral in its original form',
  LlavaGemmaForCausalLM: 'LLaVA with Gemma in its original form',
  LlavaMptForCausalLM: 'LLaVA with MPT in its original form',
  LlavaQwenMoeForCausalLM: 'LLaVA with a Qwen of experts in its original form',
};

/** Classes of transformers that write `model_type` blip-2 and have no language model. */
const RETRIEVAL = /^Blip2(ForImageTextRetrieval|TextModelWithProjection|VisionModelWithProjection)$/;

/** Language models of BLIP-2 and InstructBLIP other than T5. */
const LANGUAGE_MODELS: Readonly<Record<string, string>> = { opt: 'OPT', llama: 'Vicuna' };

/**
 * Refuses a config.json of another model than BLIP-2 with FlanT5. Files without a `model_type` pass.
 *
 * @param json its content, not yet checked.
 * @param origin the file, for the message.
 * @throws DataError naming the key, and the model where it is known.
 */
export function refuseOtherModel(json: unknown, origin: string): void {
  if (!isRecord(json)) return;
  const refuse = (key: string, value: unknown, what: string | undefined) => {
    throw new DataError(
      `${origin}: ${key} is ${quote(value)}${what ? `: this is ${what}` : ''}, which is not supported; expected BLIP-2 with FlanT5`,
    );
  };
  const { model_type: type, architectures, qformer_config: qformer, text_config: text } = json;
  if (typeof type === 'string' && type !== 'blip-2') refuse('model_type', type, own(FAMILY, type));
  if (isRecord(qformer) && qformer.model_type === 'instructblip_qformer')
    refuse('qformer_config.model_type', qformer.model_type, FAMILY.instructblip);
  const retrieval = 'a BLIP-2 for retrieval, without a language model';
  const named = [architectures].flat().find((name) => typeof name === 'string' && RETRIEVAL.test(name));
  if (named !== undefined) refuse('architectures', named, retrieval);
  if (isRecord(qformer) && qformer.use_qformer_text_input === true)
    refuse('qformer_config.use_qformer_text_input', true, retrieval);
  const language = isRecord(text) ? text.model_type : undefined;
  if (typeof language === 'string' && language !== 't5') {
    refuse('text_config.model_type', language, `a BLIP-2 with ${own(LANGUAGE_MODELS, language) ?? language}`);
  }
  if (json.use_decoder_only_language_model === true)
    refuse('use_decoder_only_language_model', true, 'a BLIP-2 with a language model that has no encoder');
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Description of the unsupported model of a config.json, to follow its `model_type` in a message; empty for an unknown one. */
export function describeOther(json: unknown): string {
  if (!isRecord(json)) return '';
  const { model_type: type, architectures } = json;
  const names = [architectures].flat().filter((name) => typeof name === 'string');
  const byClass = names.map((name) => own(ORIGINAL_LLAVA, name)).find((what) => what !== undefined);
  const what = byClass ?? (typeof type === 'string' ? own(FAMILY, type) : undefined);
  return what ? `: this is ${what}` : '';
}
