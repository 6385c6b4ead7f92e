/** How PEFT names the modules of LLaVA-OneVision that an adapter changes. */
import type { AdapterNames } from '../student.js';
import { canonicalName } from './names.js';

export const adapters: AdapterNames = {
  canonical: canonicalName,
  frozen: { prefix: 'model.vision_tower.', name: 'the vision tower' },
  classes: {
    whole: {
      name: 'LlavaOnevisionForConditionalGeneration',
      library: 'transformers.models.llava_onevision.modeling_llava_onevision',
    },
    language: { name: 'Qwen2Model', library: 'transformers.models.qwen2.modeling_qwen2' },
  },
};
