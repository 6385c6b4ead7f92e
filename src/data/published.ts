/** The published annotation files of the datasets, at their homes. The program fetches them for one person and passes none on. */
import { rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { download, type FetchOptions } from '../base/download.js';
import { DataError, UsageError } from '../base/errors.js';
import { hashFile } from '../base/files.js';
import { textSource } from './textFile.js';

/** A published file; size and hash where the file is known and has had one version. */
interface PublishedFile {
  path: string;
  url: string;
  bytes?: number;
  sha256?: string;
}

/** The annotations of a dataset at their home. */
export interface Published {
  /** Its name in datasets/index.ts. */
  name: string;
  title: string;
  /** Page of its authors. */
  page: string;
  licence: string;
  /** How to get the videos. */
  videos: string;
  files: readonly PublishedFile[];
}

const NEXTQA = 'https://raw.githubusercontent.com/doc-doc/NExT-QA/main/dataset/nextqa';
const STAR =
  'https://star-benchmark.s3.us-east.cloud-object-storage.appdomain.cloud/Question_Answer_SituationGraph';
/** The one commit that has these files. */
const INTENTQA =
  'https://raw.githubusercontent.com/JoseponLee/IntentQA/0233a47aec4df7b60d225d0ae0c2560f4185a76a/datasets/IntentQA';

const VIDOR =
  'its videos are those of VidOR (https://xdshang.github.io/docs/vidor.html); put them into a folder and name it as data.videos, in which map_vid_vidorID.json of NExT-QA says where each lies';

const PUBLISHED: readonly Published[] = [
  {
    name: 'nextqa',
    title: 'NExT-QA',
    page: 'https://github.com/doc-doc/NExT-QA',
    licence: 'MIT',
    videos: VIDOR,
    files: [
      { path: 'train.csv', url: `${NEXTQA}/train.csv` },
      {
        path: 'val.csv',
        url: `${NEXTQA}/val.csv`,
        bytes: 814_107,
        sha256: '43198bdef8436b8d64a9b75d846b0987c10cbf94ebf4be325c4a4e54634d66b8',
      },
      { path: 'test.csv', url: `${NEXTQA}/test.csv` },
      {
        path: 'map_vid_vidorID.json',
        url: `${NEXTQA}/map_vid_vidorID.json`,
        bytes: 331_540,
        sha256: '1955d89e7a175346faf8d4a582297ff349619231394f59fd7872f459ac8a8685',
      },
    ],
  },
  {
    name: 'star',
    title: 'STAR',
    page: 'https://bobbywu.com/STAR',
    licence: 'Apache-2.0',
    videos:
      'its videos are those of Charades, scaled to 480p (https://prior.allenai.org/projects/charades); put them into a folder and name it as data.videos',
    files: ['STAR_train.json', 'STAR_val.json', 'STAR_test.json'].map((path) => ({
      path,
      url: `${STAR}/${path}`,
    })),
  },
  {
    name: 'intentqa',
    title: 'IntentQA',
    page: 'https://github.com/JoseponLee/IntentQA',
    licence:
      'none stated: its authors keep all rights, so ask them before you use it for more than you may without a licence',
    videos: VIDOR,
    files: [
      { path: 'train.csv', url: `${INTENTQA}/train.csv` },
      {
        path: 'val.csv',
        url: `${INTENTQA}/val.csv`,
        bytes: 393_014,
        sha256: 'b2c2d2aa80cd64f0ec50082fab2fcdfae083fa41ad1ba52ce270acaaaf13ba6f',
      },
      { path: 'test.csv', url: `${INTENTQA}/test.csv` },
    ],
  },
];

export function publishedDatasets(): readonly Published[] {
  return PUBLISHED;
}

/** @throws UsageError listing the names there are */
export function publishedDataset(name: string): Published {
  const found = PUBLISHED.find((published) => published.name === name);
  if (found) return found;
  const known = PUBLISHED.map((published) => published.name).join(', ');
  throw new UsageError(`no published files of ${JSON.stringify(name)}; known are ${known}`);
}

export interface FetchPublishedOptions extends Pick<FetchOptions, 'signal' | 'attempts' | 'backoffMs'> {
  /** Address that stands for `https://`, below which every home has a folder of its host's name. */
  mirror?: string | undefined;
  onProgress?: (file: string, done: number, total: number | undefined) => void;
}

/**
 * Downloads the files into `folder`; a file that is there stays, a part of one is continued.
 *
 * @returns the paths, in the order of the manifest, and whether each was downloaded now
 * @throws DataError as {@link download} does, for a file that is there and is another one, and for one of another kind, such
 *   as a web page
 */
export async function fetchPublished(
  { files }: Pick<Published, 'files'>,
  folder: string,
  options: FetchPublishedOptions = {},
): Promise<{ path: string; fetched: boolean }[]> {
  const { mirror, onProgress, ...rest } = options;
  const done: { path: string; fetched: boolean }[] = [];
  for (const file of files) {
    const path = join(folder, file.path);
    await refuseOther(path, file);
    const fetched = await download(mirrored(file.url, mirror), path, {
      ...rest,
      ...(file.bytes === undefined ? {} : { expectedSize: file.bytes }),
      ...(file.sha256 === undefined ? {} : { sha256: file.sha256 }),
      ...(onProgress ? { onProgress: (at, total) => onProgress(file.path, at, total) } : {}),
    });
    if (fetched) await refuseOtherKind(path);
    done.push({ path, fetched });
  }
  return done;
}

function mirrored(url: string, mirror: string | undefined): string {
  return mirror ? url.replace('https:/', mirror.replace(/\/+$/, '')) : url;
}

/** What a person has under the name of a published file is not replaced. */
async function refuseOther(path: string, { bytes, sha256 }: PublishedFile): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  const same =
    found.isFile() &&
    (bytes === undefined || found.size === bytes) &&
    (sha256 === undefined || (await hashFile(path)) === sha256);
  if (!same)
    throw new DataError(`${path}: is there, and is not the published file; move it away, then run again`);
}

/** The command that downloads an annotation file to where it is looked for; undefined for one that is not published. */
export function fetchCommand(dataset: string, file: string): string | undefined {
  const published = PUBLISHED.find(({ name }) => name === dataset);
  if (!published?.files.some(({ path }) => path === basename(file))) return undefined;
  return `reasvqa data fetch ${dataset} --out ${dirname(file)}`;
}

/** A web page or an archive that a server sends in the place of a file would count as the file next time. */
async function refuseOtherKind(path: string): Promise<void> {
  try {
    for await (const _ of (await textSource(path)).pieces()) break;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}
