/**
 * Checkpoints of a run: `checkpoints/step-N/` holds the trainable parameters, the optimizer's moments and the state of
 * the run. A folder is written under another name and renamed, so a folder with its final name is whole; the next run
 * removes the leftovers of a killed one. The order of samples and the dropout bits follow from the seed and the step,
 * so no generator state needs saving.
 */
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { DataError, messageOf, ReasVqaError } from '../../base/errors.js';
import { makeFolder, syncFolder, writeFileAtomic } from '../../base/files.js';
import { type AttachedAdapter, saveAdapter } from '../../model/adapter.js';
import { readParameters, writableParameters } from '../../model/load.js';
import type { Student } from '../../model/student.js';
import { firstNotFinite } from '../../weights/finite.js';
import { SafetensorsFile, type WritableTensor, writeSafetensors } from '../../weights/safetensors.js';
import { fileSource } from '../../weights/source.js';
import type { AdamW } from '../optimizer.js';
import { folderOf, listCheckpoints, PARTIAL, removePartials } from './steps.js';

export { listCheckpoints, removePartials };

const padding = z.strictObject({ positions: z.number(), padded: z.number() });

/** What was summed up since the last line of metrics: a continued run's next line is then an uninterrupted run's. */
const pendingSchema = z.strictObject({
  losses: z.array(z.strictObject({ loss: z.number(), parts: z.record(z.string(), z.number()) })),
  inputs: z.strictObject({
    ...{ samples: z.number(), waited: z.number(), passed: z.number() },
    ...{ encoder: padding, decoder: padding },
  }),
  /** Of the objective, which knows its form. */
  objective: z.unknown().optional(),
});

const stateSchema = z.strictObject({
  /** Optimizer steps taken. */
  step: z.int().min(0),
  /** Place of the next batch. */
  epoch: z.int().min(0),
  batch: z.int().min(0),
  /** Seconds of training so far. */
  seconds: z.number().min(0),
  /** Hash of the configuration that the run belongs to. */
  config: z.string(),
});

/** Checkpoints of earlier versions have no sums. Sums that cannot be read cost a line of metrics its first updates, not the run. */
const savedSchema = stateSchema.extend({ pending: pendingSchema.optional().catch(undefined) });

export type RunState = z.output<typeof stateSchema>;
export type SavedState = z.output<typeof savedSchema>;

/** The parts of a trial that a checkpoint holds. */
interface Trained {
  student: Student;
  adapter: AttachedAdapter | undefined;
}

/**
 * @throws DataError when the disk is full or the folder cannot be written, ReasVqaError when a value has become
 *   infinite or NaN, which no resumed run could go on from; earlier checkpoints stay.
 */
export async function saveCheckpoint(
  checkpoints: string,
  trained: Trained,
  optimizer: AdamW,
  state: SavedState,
): Promise<string> {
  await requireFiniteState(optimizer, state.step);
  const final = join(checkpoints, folderOf(state.step));
  const partial = join(checkpoints, `${PARTIAL}${folderOf(state.step)}`);
  try {
    await rm(partial, { recursive: true, force: true });
    await makeFolder(partial);
    const { parameters } = optimizer;
    await writeSafetensors(join(partial, 'trainable.safetensors'), writableParameters(parameters), {
      format: 'pt',
    });
    await writeSafetensors(join(partial, 'optimizer.safetensors'), writableState(optimizer));
    if (trained.adapter) await saveAdapter(trained.student, trained.adapter, partial);
    await writeFileAtomic(join(partial, 'state.json'), `${JSON.stringify(state)}\n`);
    await rm(final, { recursive: true, force: true });
    await rename(partial, final);
    await syncFolder(checkpoints);
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {});
    throw new DataError(
      `${final}: the checkpoint could not be saved (${messageOf(error)}); earlier checkpoints are untouched, run the same command again when there is room`,
      { cause: error },
    );
  }
  return final;
}

async function requireFiniteState(optimizer: AdamW, step: number): Promise<void> {
  const all = [...optimizer.parameters.map((p) => [p.name, p.value] as const), ...optimizer.state()];
  for (const [name, variable] of all) {
    const data = (await variable.data()) as Float32Array;
    if (firstNotFinite('F32', data) >= 0)
      throw new ReasVqaError(
        `${name} is no longer finite after step ${step}, no checkpoint was saved and earlier ones are untouched; lower train.learningRate or set train.clipNorm=1`,
        1,
      );
  }
}

function writableState(optimizer: AdamW): Map<string, WritableTensor> {
  const tensors = new Map<string, WritableTensor>();
  for (const [name, variable] of optimizer.state())
    tensors.set(name, {
      dtype: 'F32',
      shape: variable.shape,
      data: async () => (await variable.data()) as Float32Array,
    });
  return tensors;
}

/**
 * The state of the run at a checkpoint. @throws DataError when its state is damaged or it belongs to another
 * configuration.
 */
export async function readState(checkpoints: string, step: number, configHash: string): Promise<SavedState> {
  const path = join(checkpoints, folderOf(step), 'state.json');
  let state: SavedState;
  try {
    state = savedSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
    const reason = issue ? `${issue.path.join('.')}: ${issue.message}` : messageOf(error).split('\n')[0];
    throw new DataError(`${path}: not the state of a checkpoint (${reason}); remove its folder`, {
      cause: error,
    });
  }
  if (state.config !== configHash)
    throw new DataError(`${path}: belongs to another configuration; use another run folder`);
  return state;
}

/** Reads trainables and optimizer moments back. @throws DataError naming the tensor that is missing or damaged. */
export async function loadCheckpoint(checkpoints: string, step: number, optimizer: AdamW): Promise<void> {
  await loadTrainables(checkpoints, step, optimizer.parameters);
  const file = await SafetensorsFile.open(join(checkpoints, folderOf(step), 'optimizer.safetensors'));
  try {
    for (const [name, variable] of optimizer.state()) {
      const { data, shape } = await file.read(name, { finite: true });
      const tensor = tf.tensor(data as Float32Array, shape, 'float32');
      variable.assign(tensor);
      tensor.dispose();
    }
  } finally {
    await file.close();
  }
  optimizer.step = step;
}

/** Reads the trainables of a checkpoint, for evaluation. @throws DataError when they are not the given parameters. */
export async function loadTrainables(
  checkpoints: string,
  step: number,
  parameters: AdamW['parameters'],
): Promise<void> {
  const path = join(checkpoints, folderOf(step), 'trainable.safetensors');
  const source = fileSource(await SafetensorsFile.open(path));
  try {
    for (const parameter of parameters) {
      const found = source.has(parameter.name) ? source.info(parameter.name).shape : undefined;
      if (found?.join() !== parameter.shape.join())
        throw new DataError(
          `${path}: tensor ${parameter.name} ${found ? `has shape (${found.join(', ')})` : 'is missing'}, expected (${parameter.shape.join(', ')})`,
        );
    }
    const known = new Set(parameters.map((parameter) => parameter.name));
    const other = source.names().find((name) => !known.has(name));
    if (other !== undefined)
      throw new DataError(
        `${path}: tensor ${other} is not among what learns here; use the model.train and model.lora.targets of the run`,
      );
    await readParameters(parameters, source);
  } finally {
    await source.close();
  }
}

/** Removes all checkpoints but the given steps. */
export async function keepCheckpoints(checkpoints: string, steps: readonly number[]): Promise<void> {
  for (const step of await listCheckpoints(checkpoints))
    if (!steps.includes(step)) await rm(join(checkpoints, folderOf(step)), { recursive: true, force: true });
}
