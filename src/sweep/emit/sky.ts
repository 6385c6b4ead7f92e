/** A sweep as a SkyPilot task: one managed job a trial. */
import { stringify } from 'yaml';
import { EXIT } from '../../base/errors.js';
import {
  type Emission,
  gpusOf,
  headOf,
  IMAGE,
  linesOf,
  memoryOf,
  mountFolders,
  NO_IMAGE,
  objectName,
  trialCommand,
} from './plan.js';

/** The variable of a job that holds its trial's line of plan.jsonl. */
const INDEX = 'TRIAL';

/**
 * The task, headed by the loop that launches it for every trial. SkyPilot starts a managed job again whose machine was taken
 * away; it does so too after exit code 75 (a checkpoint is saved), without end.
 *
 * @throws UsageError for --gres and --mem that mean nothing here
 */
export function skyTask(emission: Emission): string {
  const { sweep, options } = emission;
  const name = objectName(sweep.folder);
  const lines = linesOf(emission);
  const folders = mountFolders(emission);
  const gpus = gpusOf(options);
  const memory = memoryOf(options);
  const task = {
    name,
    resources: {
      image_id: `docker:${options.image ?? IMAGE}`,
      ...(gpus ? { accelerators: `${gpus.kind ?? 'GPU'}:${gpus.count}` } : {}),
      ...(options.cpusPerTask === undefined ? {} : { cpus: `${options.cpusPerTask}+` }),
      ...(memory === undefined ? {} : { memory: `${memory}+` }),
      use_spot: true,
      job_recovery: { max_restarts_on_errors: 0, recover_on_exit_codes: [EXIT.interrupted] },
    },
    ...storesOf(folders, options.volume ?? []),
    // Null: a job without it is refused.
    envs: { [INDEX]: null },
    run: `exec ${trialCommand(emission, `"$${INDEX}"`)}\n`,
  };
  const loop = `for trial in ${lines.join(' ')}; do sky jobs launch --yes --detach-run --name ${name}-$trial --env ${INDEX}=$trial FILE; done`;
  const fill = [
    ...(options.image ? [] : [NO_IMAGE]),
    ...(gpus && gpus.kind === undefined
      ? ['accelerators (--gres gpu:KIND:N): the kind of GPU, such as H100']
      : []),
    ...folders.flatMap((folder, i) =>
      options.volume?.[i]
        ? []
        : [
            `volume-${i + 1} (--volume): a SkyPilot volume, or a bucket (s3://...), that shows ${folder} at the same path`,
          ],
    ),
  ];
  return `${headOf(sweep.folder, `one managed job each: ${loop}`, fill)}${stringify(task, { lineWidth: 0 })}`;
}

/** Volumes by name; buckets by address, cached so that files can be renamed and added to. */
function storesOf(folders: readonly string[], given: readonly string[]): object {
  const stores = folders.map((folder, i) => [folder, given[i] ?? `volume-${i + 1}`] as const);
  const buckets = stores.filter(([, store]) => store.includes('://'));
  const volumes = stores.filter(([, store]) => !store.includes('://'));
  const mounts = buckets.map(([folder, source]) => [folder, { source, mode: 'MOUNT_CACHED' }] as const);
  return {
    ...(volumes.length > 0 ? { volumes: Object.fromEntries(volumes) } : {}),
    ...(mounts.length > 0 ? { file_mounts: Object.fromEntries(mounts) } : {}),
  };
}
