/** What a run asks a feature store for, as plain data, so that another thread can be asked as well. */
import { DataError, messageOf } from '../base/errors.js';
import { type FeatureKeyParts, FeatureStore, type Features, featureKey, videoIdentity } from './store.js';

/** A clip's entry in a store. */
export interface StoredRequest {
  /** The store's folder. */
  folder: string;
  /** The sample's id, for messages. */
  id: string;
  /** Name of the video below the data root. */
  video: string;
  /** Its file or folder. */
  path: string;
  /** Its version (videoIdentity), where it is known already. */
  identity?: string | undefined;
  /** Which part of the video the clip is, as it stands behind the version in the key. */
  part: string;
  /** What else the key is made of. */
  features: Omit<FeatureKeyParts, 'video'>;
}

/** What is stored of a clip. */
export interface StoredClip {
  /** The version of the video. */
  identity: string;
  /** Undefined where they are absent or damaged. Their data are in a buffer of their own. */
  features: Features | undefined;
  /** A line about a damaged entry. */
  fault: string | undefined;
}

/** Reads an entry of a store; see {@link readStored}. */
export type StoredReader = (request: StoredRequest, signal?: AbortSignal) => Promise<StoredClip>;

/**
 * Reads an entry in this thread.
 *
 * @throws DataError for a video that is not there
 */
export const readStored: StoredReader = async (request) => {
  const identity = request.identity ?? (await identityOf(request));
  let fault: string | undefined;
  const store = new FeatureStore(request.folder, (line) => {
    fault = line;
  });
  const features = await store.get(keyOf(request, identity));
  return { identity, features, fault };
};

/** The key of a clip in this version of its video. */
export function keyOf({ part, features }: StoredRequest, identity: string): string {
  return featureKey({ ...features, video: `${identity}${part}` });
}

/** The version of the video that lies at the path now. @throws DataError for a video that is not there */
export async function identityOf({ id, video, path }: StoredRequest): Promise<string> {
  return videoIdentity(video, path).catch((error) => {
    throw new DataError(`${id}: ${path}: cannot be read (${messageOf(error)})`, { cause: error });
  });
}
