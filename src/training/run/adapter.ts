/** The adapter that a recipe starts from: a PEFT folder, or a run, whose best checkpoint holds one. */
import { join } from 'node:path';
import { DataError, UsageError } from '../../base/errors.js';
import { isFile } from '../../base/files.js';
import { isLora } from '../../model/trainable.js';
import { SafetensorsFile } from '../../weights/safetensors.js';
import { bestOf, readEvaluations, runPaths } from './folder.js';
import { folderOf, listCheckpoints } from './steps.js';

/**
 * The PEFT folder that `model.adapter` means: of a run, the checkpoint that its evaluations chose, or the last one.
 *
 * @throws DataError for a run without a checkpoint; UsageError for one that learned more than its adapter
 */
export async function adapterFolder(path: string): Promise<string> {
  const run = runPaths(path);
  if ((await isFile(join(path, 'adapter_config.json'))) || !(await isFile(run.config))) return path;
  const steps = await listCheckpoints(run.checkpoints);
  const step = bestOf(await readEvaluations(run))?.step ?? steps.at(-1);
  if (step === undefined || !steps.includes(step))
    throw new DataError(`model.adapter: the run ${path} has no checkpoint yet; train it first`);
  const folder = join(run.checkpoints, folderOf(step));
  const file = await SafetensorsFile.open(join(folder, 'trainable.safetensors'));
  const other = file.names.find((name) => !isLora(name));
  await file.close();
  if (other !== undefined)
    throw new UsageError(
      `model.adapter: the run ${path} learned ${other} too, which no adapter holds; train it with model.train=[lora]`,
    );
  return folder;
}
