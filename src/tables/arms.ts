/** The settings that the paper's tables compare, each over the main recipe of a data set (bench/<dataset>/reasvqa.yaml). */
import type { Settings } from '../sweep/axes.js';
import type { TableArm, Writings } from './table.js';

const arm = (name: string, settings: Settings | TableArm['settings'] = {}): TableArm => ({
  name,
  settings: typeof settings === 'function' ? settings : () => settings,
});

/** Everything that learns but LoRA. */
const WITHOUT_LORA = { 'model.train': ['qformer', 'query_tokens', 'language_projection', 'post_layernorm'] };
const ANSWERS_ALONE = { 'data.reasoning': null, 'train.mode': 'stl' };
const CORRECT = { 'train.reasoningSet': 'correct' };
/** Reasoning, then the answer, in one text: 256 tokens of the one and a few of the other. */
const REASONING_FIRST = {
  'train.mode': 'stl',
  'train.stlTarget': 'reasoning-answer',
  'eval.scorer': 'generate',
  'eval.maxNewTokens': 264,
};
const HALF = { 'train.beta': 0.5 };

export const reasvqa = arm('reasvqa');
export const qa = arm('qa', ANSWERS_ALONE);
export const stlCorrect = arm('stl-correct', { ...REASONING_FIRST, ...CORRECT });
export const stlAll = arm('stl-all', REASONING_FIRST);
export const mtlCorrect = arm('mtl-correct', { ...CORRECT, ...HALF });
export const mtlAll = arm('mtl-all', HALF);
export const withoutLora = arm('without-lora', WITHOUT_LORA);
export const withoutBoth = arm('without-both', { ...ANSWERS_ALONE, ...WITHOUT_LORA });
export const captionsBrief = arm('captions-brief', ({ brief }) => ({ 'data.reasoning': brief, ...HALF }));
export const captionsDetailed = arm('captions-detailed', ({ detailed }) => ({
  'data.reasoning': detailed,
  ...HALF,
}));

/** Table 10: reasoning of the smaller teacher. The paper does not print its weights; figure 3, which it follows, has 0.5. */
export function smallerTeacher(
  name: string,
  file: 'smallerOriginal' | 'smallerRefined',
  settings: Settings,
): TableArm {
  return arm(name, (writings: Writings) => ({ 'data.reasoning': writings[file], ...HALF, ...settings }));
}

/** What LLaVA-OneVision's recipes (bench/<dataset>/llava-*.yaml) differ in from the main one beside the model. */
const LLAVA = {
  'video.sampling': 'ends',
  'video.crop': 'none',
  'data.addPunctuation': false,
  'model.lora.r': 16,
  'model.lora.dropout': 0.05,
  'train.recompute': true,
};

/** A published LLaVA-OneVision, trained as the given arm is. */
export function llava(size: '0.5b' | '7b', { name, settings }: TableArm): TableArm {
  const base = `llava-hf/llava-onevision-qwen2-${size}-ov-hf`;
  return arm(`llava-${size}-${name}`, (writings) => ({
    ...settings(writings),
    ...LLAVA,
    'model.base': base,
  }));
}
