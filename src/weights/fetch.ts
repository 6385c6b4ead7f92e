/** Downloads files from the Hugging Face hub. */
import { download, type FetchOptions } from '../base/download.js';

export { type FetchOptions, NotOnServer } from '../base/download.js';

/** Where the Hugging Face hub has a file. */
export function hubUrl(repository: string, revision: string, file: string): string {
  return `${hubEndpoint()}/${repository}/resolve/${encodeURIComponent(revision)}/${file}`;
}

/** The hub's address without a trailing slash; HF_ENDPOINT names a mirror. */
function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/**
 * {@link download} of a file of the hub. HF_TOKEN from the environment is sent to the hub (fetch drops it when redirected to
 * another host) and never stored.
 */
export function fetchFile(url: string, path: string, options: FetchOptions = {}): Promise<boolean> {
  const token = process.env.HF_TOKEN;
  const own = token && url.startsWith(`${hubEndpoint()}/`);
  return download(url, path, {
    ...options,
    ...(own ? { headers: { authorization: `Bearer ${token}` } } : {}),
    advice: {
      address: 'check HF_ENDPOINT, e.g. https://huggingface.co',
      connection: ' (HF_ENDPOINT names a mirror)',
      missing: 'check the repository, revision and file name',
      access: "accept the licence on the repository's page and set HF_TOKEN to your access token",
    },
  });
}
