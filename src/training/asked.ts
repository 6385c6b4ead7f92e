/** The student that is asked: a run's best checkpoint, a published model, or the one that ships, which the study trained. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { DataError, UsageError } from '../base/errors.js';
import { ownFile } from '../base/packageFiles.js';
import { writesReasoningFirst, writesTags } from '../config/checks.js';
import type { Config } from '../config/schema.js';
import { type AskSettings, askSettings } from '../config/settings.js';
import type { Asked } from '../evaluation/watched.js';
import { loadAdapter } from '../model/adapter.js';
import { loadStudent } from '../model/load.js';
import { Tokenizer } from '../text/tokenizer.js';
import { requireVocabulary } from '../text/vocabulary.js';
import { noticesOf } from '../weights/comparison.js';
import { fetchAdvice, fetchedFolder } from '../weights/manifest.js';
import { cueTokens } from './cues.js';

export interface AskedRequest {
  /** Folder of a run; its best checkpoint is asked. */
  run?: string | undefined;
  /** Folder of weights, or the name or Hugging Face id of a model that `reasvqa weights fetch` has fetched. */
  model?: string | undefined;
  /** Folder of a PEFT adapter for `model`. */
  adapter?: string | undefined;
  /** `key=value` texts over the run's recipe, or over the defaults. */
  overrides?: readonly string[] | undefined;
  /** Folder that paths are relative to; the current one unless given. */
  cwd?: string | undefined;
}

/** A student with all that it is asked with. Dispose of it. */
export interface OpenAsked extends Asked {
  config: AskSettings;
  /** What it is, for people: `weights/shapes`, `runs/a, step 120`. */
  description: string;
  /** It is the model that ships, which knows the built-in world only. */
  ships: boolean;
  /** Notices for the user about its weights. */
  notices: readonly string[];
  dispose(): void;
}

/**
 * Opens the student that a request names; without a name, the one that ships.
 *
 * @throws UsageError for a run and a model at once, or an adapter without a model; DataError for a run without a
 *   checkpoint or weights that are missing or bad
 */
export async function openAsked(request: AskedRequest): Promise<OpenAsked> {
  const { run, model, adapter, overrides = [], cwd = process.cwd() } = request;
  if (run !== undefined && (model ?? adapter) !== undefined)
    throw new UsageError('a run has its own model and adapter: give --run, or --model with --adapter');
  if (adapter !== undefined && model === undefined)
    throw new UsageError('an adapter belongs to a model: give --adapter with --model');
  if (run === undefined) return openModel({ model, adapter, overrides, cwd });
  const { loadRun } = await import('./trained.js');
  // Stored features are keyed by a hash of the vision weights, which takes long and serves nothing here.
  const trained = await loadRun(resolve(cwd, run), [...overrides, 'features.cache=false']);
  return { ...trained, description: `${run}, step ${trained.step}`, ships: false, notices: [] };
}

async function openModel(
  request: Pick<AskedRequest, 'model' | 'adapter'> & { overrides: readonly string[]; cwd: string },
): Promise<OpenAsked> {
  const { model, overrides, cwd } = request;
  const { folder, adapter, description } = model === undefined ? SHIPPED : await named({ ...request, model });
  const given = overrides.length > 0 ? await resolved(folder, overrides, cwd) : undefined;
  const tokenizer = await Tokenizer.load(given?.model.tokenizer ?? folder);
  const { student, comparison } = await loadStudent(folder, {
    precision: given?.model.precision,
    check: (student) => requireVocabulary(tokenizer, student, folder),
  });
  try {
    if (adapter !== undefined) await loadAdapter(student, adapter);
    const config = given ?? askSettings(student.kind);
    return {
      ...{ student, tokenizer, config, cues: cueTokens(config, tokenizer) },
      ...(given && { reasonsFirst: writesReasoningFirst(given), tagged: writesTags(given) }),
      description,
      ships: model === undefined,
      notices: noticesOf(comparison, folder),
      dispose: () => student.dispose(),
    };
  } catch (error) {
    student.dispose();
    throw error;
  }
}

/** The settings of a model with overrides. The data set's keys have no default, and of them only data.fps matters here. */
async function resolved(folder: string, overrides: readonly string[], cwd: string): Promise<Config> {
  const { resolveConfig } = await import('../config/load.js');
  const own = ['data.dataset=jsonl', 'data.videos=.', `model.base=${folder}`];
  return (await resolveConfig({ overrides: [...own, ...overrides], cwd })).config;
}

/** Weights with or without an adapter. */
interface Named {
  folder: string;
  adapter: string | undefined;
  description: string;
}

const SHIPPED: Named = {
  folder: ownFile('weights/shapes'),
  adapter: ownFile('weights/shapes/students/reasoning'),
  description: 'weights/shapes with students/reasoning',
};

async function named({
  model,
  adapter,
  cwd,
}: {
  model: string;
  adapter?: string | undefined;
  cwd: string;
}): Promise<Named> {
  return {
    folder: await folderOf(cwd, model),
    adapter: adapter === undefined ? undefined : resolve(cwd, adapter),
    description: adapter === undefined ? model : `${model} with ${adapter}`,
  };
}

/** The folder of a model's weights, as it is given or where `weights fetch` puts it. */
async function folderOf(cwd: string, model: string): Promise<string> {
  const given = resolve(cwd, model);
  const found = await stat(given).catch(() => undefined);
  if (found?.isDirectory()) return given;
  if (found) throw new DataError(`${model}: a file; give the folder that it lies in, with its config.json`);
  const fetched = await fetchedFolder(model, cwd);
  if (fetched) return fetched;
  throw new DataError(`${model}: no such folder of weights; ${await fetchAdvice(model)}`);
}
