/** A sweep as a Kubernetes Job: one indexed completion a trial. */
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

/** Seconds between SIGTERM and SIGKILL: time for the step at hand and a checkpoint. */
const GRACE = 120;

/**
 * The manifest. Exit code 75 (a checkpoint is saved) and pods that the cluster takes away are tried again without end; what
 * trying again does not mend fails its index at once; a failed trial does not stop the others (Kubernetes 1.29 or newer).
 *
 * @throws UsageError for --gres and --mem that mean nothing here
 */
export function kubernetesJob(emission: Emission): string {
  const { sweep, options } = emission;
  const lines = linesOf(emission);
  const folders = mountFolders(emission);
  const name = objectName(sweep.folder);
  const volumes = folders.map((mountPath, i) => ({ mountPath, name: `files-${i + 1}` }));
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name },
    spec: {
      completionMode: 'Indexed',
      completions: lines.length,
      parallelism: Math.min(options.maxParallel ?? lines.length, lines.length),
      backoffLimitPerIndex: 1,
      maxFailedIndexes: lines.length,
      podFailurePolicy: { rules: rules() },
      template: {
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: GRACE,
          containers: [
            {
              name: 'trial',
              image: options.image ?? IMAGE,
              // A pod's index counts from 0 over the lines of plan.jsonl that are to run.
              command: [
                'sh',
                '-c',
                literal(`shift "$JOB_COMPLETION_INDEX"; exec ${trialCommand(emission, '"$1"')}`),
              ],
              args: ['trial', ...lines.map(String)],
              resources: resourcesOf(emission),
              volumeMounts: volumes,
            },
          ],
          volumes: volumes.map((volume, i) => ({
            name: volume.name,
            persistentVolumeClaim: { claimName: options.volume?.[i] ?? `claim-${i + 1}` },
          })),
        },
      },
    },
  };
  return `${head(emission, folders)}${stringify(job, { lineWidth: 0 })}`;
}

/** Kubernetes reads `$(NAME)` in a command as a variable, `$$(` as the text. */
const literal = (text: string) => text.replaceAll('$(', () => '$$(');

function rules(): object[] {
  const onExit = (values: number[]) => ({ containerName: 'trial', operator: 'In', values });
  return [
    { action: 'Ignore', onExitCodes: onExit([EXIT.interrupted]) },
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    { action: 'FailIndex', onExitCodes: onExit([EXIT.usage, EXIT.data, EXIT.engine]) },
  ];
}

function resourcesOf({ options }: Emission): object {
  const gpus = gpusOf(options);
  const memory = memoryOf(options);
  const wanted = {
    ...(options.cpusPerTask === undefined ? {} : { cpu: String(options.cpusPerTask) }),
    ...(memory === undefined ? {} : { memory: `${memory}Gi` }),
  };
  return {
    requests: wanted,
    limits: { ...wanted, ...(gpus ? { 'nvidia.com/gpu': String(gpus.count) } : {}) },
  };
}

function head({ sweep, options }: Emission, folders: readonly string[]): string {
  const claims = folders.flatMap((folder, i) =>
    options.volume?.[i] ? [] : [`claimName claim-${i + 1} (--volume): shows ${folder} at the same path`],
  );
  return headOf(
    sweep.folder,
    'one pod each: kubectl apply -f FILE',
    options.image ? claims : [NO_IMAGE, ...claims],
  );
}
