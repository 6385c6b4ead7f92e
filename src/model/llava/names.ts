/**
 * The names under which LLaVA-OneVision's tensors are published, mapped to the canonical ones: the module names of
 * transformers 5. Layouts read: those, files of transformers 4 and of 5's `save_pretrained` (`language_model.model.`,
 * with or without `vision_model.`), and the original code's (`model.layers.`, `model.mm_projector.`,
 * `model.vision_tower.vision_tower.vision_model.`).
 */
import { DataError } from '../../base/errors.js';
import type { CanonicalSource } from '../../weights/canonical.js';
import { quote } from '../../weights/header.js';
import type { TensorSource } from '../../weights/source.js';

export const EMBEDDING = 'model.language_model.embed_tokens.weight';
export const HEAD = 'lm_head.weight';

/** Rewrites of whole names and of module paths, first match wins. */
const RENAMES: readonly (readonly [from: RegExp, to: string])[] = [
  [/^(?:model\.)?vision_tower\.(?:vision_tower\.)?(?:vision_model\.)?/, 'model.vision_tower.'],
  [/^(?:model\.)?multi_modal_projector\./, 'model.multi_modal_projector.'],
  [/^model\.mm_projector\.0\b/, 'model.multi_modal_projector.linear_1'],
  [/^model\.mm_projector\.2\b/, 'model.multi_modal_projector.linear_2'],
  [/^(?:model\.)?image_newline$/, 'model.image_newline'],
  [/^(?:language_model\.)?lm_head\b/, 'lm_head'],
  [
    /^(?:(?:model\.)?language_model\.(?:model\.)?|model\.)(?=(?:embed_tokens|layers|norm)\b)/,
    'model.language_model.',
  ],
];

const IGNORED: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/(^|\.)position_ids$/, 'a buffer of position numbers'],
  [/\.rotary_emb\.inv_freq$/, 'a buffer of frequencies'],
  [/^model\.vision_tower\.head\./, "SigLIP's pooling head, which is not read"],
];

/** The canonical name of a tensor or module; undefined for one that means nothing here. */
export function canonicalName(name: string): string | undefined {
  for (const [from, to] of RENAMES) if (from.test(name)) return name.replace(from, to);
  return undefined;
}

/**
 * Presents canonical names whatever the layout of `source`.
 *
 * @throws DataError when two tensors mean the same one
 */
export function llavaSource(source: TensorSource): CanonicalSource {
  const origins = new Map<string, string>();
  const report: CanonicalSource['report'] = { ignored: [], unknown: [], renamed: new Map() };
  for (const from of source.names()) {
    const known = canonicalName(from);
    const name = known ?? from;
    const ignored = IGNORED.find(([pattern]) => pattern.test(name));
    if (ignored) {
      report.ignored.push({ name: from, reason: ignored[1] });
      continue;
    }
    const other = origins.get(name);
    if (other !== undefined)
      throw new DataError(`${source.path}: ${quote(other)} and ${quote(from)} both mean ${quote(name)}`);
    origins.set(name, from);
    if (known === undefined) report.unknown.push(from);
    else if (known !== from) report.renamed.set(from, known);
  }
  const origin = (name: string): string => {
    const from = origins.get(name);
    if (from === undefined) throw new DataError(`${source.path}: has no tensor ${quote(name)}`);
    return from;
  };
  return {
    path: source.path,
    metadata: source.metadata,
    report,
    names: () => [...origins.keys()],
    has: (name) => origins.has(name),
    info: (name) => source.info(origin(name)),
    fileOf: (name) => source.fileOf(origin(name)),
    read: (name, options) => source.read(origin(name), options),
    close: () => source.close(),
  };
}
