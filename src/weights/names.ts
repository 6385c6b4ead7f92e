/**
 * The names under which BLIP-2 FlanT5 tensors are published, mapped to the canonical ones: those of the Hugging Face
 * `Blip2ForConditionalGeneration` (current layout). Layouts read: Hugging Face with fused or split query and value
 * biases, LAVIS and SeViLA (`visual_encoder.`, `Qformer.bert.`, `t5_proj.`, `t5_model.`), the bare EVA ViT-g file,
 * and a bare T5 such as google/flan-t5-xl.
 */

/** Meaning of a source name. */
type Meaning =
  /** The canonical tensor itself. */
  | { kind: 'tensor'; name: string }
  /** Half of a fused qkv bias that older files keep apart; `name` is the fused tensor. */
  | { kind: 'qkv-bias'; name: string; part: 'q' | 'v' }
  /**
   * A copy of the shared T5 embedding, `name`: needed when the shared table is absent, or when the copy has other
   * values.
   */
  | { kind: 'embedding-copy'; name: string; own: string }
  /** Known, and not part of this model. */
  | { kind: 'ignored'; reason: string }
  | { kind: 'unknown' };

export interface NameOptions {
  /** SeViLA files hold two Q-Formers: the answerer's (default) and the localizer's, named `*_loc`. */
  branch?: 'answerer' | 'localizer';
  /** Number of ViT blocks the model has; deeper ones are ignored (eva_vit_g.pth has 40, BLIP-2 uses 39). */
  visionLayers?: number;
}

/** Prefix rewrites, first match wins. */
const PREFIXES: readonly (readonly [from: string, to: string])[] = [
  ['visual_encoder.cls_token', 'vision_model.embeddings.class_embedding'],
  ['visual_encoder.pos_embed', 'vision_model.embeddings.position_embedding'],
  ['visual_encoder.patch_embed.proj.', 'vision_model.embeddings.patch_embedding.'],
  ['visual_encoder.blocks.', 'vision_model.encoder.layers.'],
  ['ln_vision.', 'vision_model.post_layernorm.'],
  ['Qformer.bert.embeddings.LayerNorm.', 'qformer.layernorm.'],
  ['Qformer.bert.encoder.', 'qformer.encoder.'],
  ['t5_proj.', 'language_projection.'],
  ['t5_model.', 'language_model.'],
];

const CANONICAL = /^(vision_model|qformer|language_projection|language_model)\.|^query_tokens$/;

/** Bare files, recognised by their first component. */
const BARE_EVA = /^(cls_token$|pos_embed$|patch_embed\.proj\.|blocks\.|norm\.|fc_norm\.|head\.)/;
const BARE_T5 = /^(shared\.weight$|encoder\.|decoder\.|lm_head\.weight$)/;

const IGNORED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/(^|\.)position_ids$/, 'a buffer of position numbers'],
  [/^Qformer\.cls\./, 'the Q-Former text head (BLIP-2 stage 1)'],
  [/^Qformer\.bert\.(embeddings\.(?!LayerNorm\.)|pooler\.)/, 'the Q-Former text branch, unused with T5'],
  [/^qformer\.(embeddings|pooler)\./, 'the Q-Former text branch, unused with T5'],
  [/^qformer\.encoder\.layer\.\d+\.(intermediate|output)\./, 'the Q-Former text branch, unused with T5'],
  [/^(itm_head|vision_proj|text_proj|itc_head)\.|^temp$/, 'a head of BLIP-2 stage 1'],
  [/^(embeddings|vision_projection|text_projection)\./, 'a head of BLIP-2 stage 1'],
  [/^visual_encoder\.(norm|fc_norm|head)\./, 'the ViT classifier'],
  [/EncDecAttention\.relative_attention_bias\.weight$/, 'a leftover of early T5 files that no model reads'],
];

const VISION_BLOCK = /^(vision_model\.encoder\.layers\.)(\d+)\.(.*)$/;

/** Inside a ViT block: LAVIS and EVA names to canonical. */
const VISION_RENAMES: readonly (readonly [from: RegExp, to: string])[] = [
  [/^norm([12])\./, 'layer_norm$1.'],
  [/^attn\.proj\./, 'self_attn.projection.'],
  [/^attn\./, 'self_attn.'],
];

/** The meaning of one tensor name, whatever its layout. */
export function meaningOf(sourceName: string, options: NameOptions = {}): Meaning {
  const branch = selectBranch(sourceName, options.branch ?? 'answerer');
  if (typeof branch !== 'string') return branch;
  const name = rename(addBarePrefix(branch));
  for (const [pattern, reason] of IGNORED) {
    if (pattern.test(branch) || pattern.test(name)) return { kind: 'ignored', reason };
  }
  if (!CANONICAL.test(name)) return { kind: 'unknown' };
  const block = VISION_BLOCK.exec(name);
  if (block) return visionMeaning(block[1]!, Number(block[2]), block[3]!, options.visionLayers);
  if (/^language_model\.(encoder|decoder)\.embed_tokens\.weight$/.test(name)) {
    return { kind: 'embedding-copy', name: 'language_model.shared.weight', own: name };
  }
  return { kind: 'tensor', name };
}

/** Chooses between SeViLA's two Q-Formers, and drops the `_loc` of the chosen localizer. */
function selectBranch(name: string, branch: 'answerer' | 'localizer'): string | Meaning {
  const match = /^(Qformer|query_tokens|t5_proj|ln_vision)(_loc)?(?=\.|$)/.exec(name);
  if (!match) return name;
  const isLocalizer = match[2] !== undefined;
  if (isLocalizer !== (branch === 'localizer') && (isLocalizer || branch === 'localizer')) {
    return { kind: 'ignored', reason: `SeViLA's ${isLocalizer ? 'localizer' : 'answerer'}` };
  }
  return match[1]! + name.slice(match[0].length);
}

function addBarePrefix(name: string): string {
  if (BARE_EVA.test(name)) return `visual_encoder.${name}`;
  if (BARE_T5.test(name)) return `language_model.${name}`;
  return name;
}

function rename(name: string): string {
  for (const [from, to] of PREFIXES) {
    if (!name.startsWith(from)) continue;
    const renamed = to + name.slice(from.length);
    return renamed.startsWith('qformer.')
      ? renamed.replace('attention.self.', 'attention.attention.')
      : renamed;
  }
  return name;
}

function visionMeaning(prefix: string, layer: number, rest: string, layers?: number): Meaning {
  if (layers !== undefined && layer >= layers) {
    return { kind: 'ignored', reason: `a ViT block beyond the ${layers} of the model` };
  }
  let inner = rest;
  for (const [from, to] of VISION_RENAMES) inner = inner.replace(from, to);
  const bias = /^self_attn\.([qv])_bias$/.exec(inner);
  if (bias) {
    return { kind: 'qkv-bias', name: `${prefix}${layer}.self_attn.qkv.bias`, part: bias[1] as 'q' | 'v' };
  }
  return { kind: 'tensor', name: `${prefix}${layer}.${inner}` };
}
