/** What a file that should be a video is, by its first bytes. */
import { isLfsPointer } from '../base/lfsPointer.js';

/** Names behind which a reader looks for the format; the program reads GIF and WebP itself, ffmpeg the others. */
type Ending = '.webp' | '.gif' | '.mp4' | '.mkv' | '.avi' | '.flv' | '.ogv' | '.wmv' | '.ts' | '.mpg';

const CONTAINERS: readonly [ending: Ending, is: (start: string) => boolean][] = [
  ['.webp', (start) => start.startsWith('RIFF') && start.startsWith('WEBP', 8)],
  ['.gif', (start) => /^GIF8[79]a/.test(start)],
  ['.mp4', (start) => /^(ftyp|moov|mdat|wide|free|skip|pnot)/.test(start.slice(4, 8))],
  ['.mkv', (start) => start.startsWith('\x1a\x45\xdf\xa3')],
  ['.avi', (start) => start.startsWith('RIFF') && start.startsWith('AVI', 8)],
  ['.flv', (start) => start.startsWith('FLV\x01')],
  ['.ogv', (start) => start.startsWith('OggS')],
  ['.wmv', (start) => start.startsWith('\x30\x26\xb2\x75\x8e\x66\xcf\x11')],
  ['.ts', (start) => start[0] === 'G' && (start[188] === 'G' || start[204] === 'G')],
  ['.ts', (start) => start[4] === 'G' && start[196] === 'G'],
  ['.mpg', (start) => start.startsWith('\0\0\x01') && '\xb3\xba'.includes(start[3] ?? ' ')],
];

/** Bytes that {@link endingOf} looks at. */
export const HEAD_BYTES = 512;

/**
 * The ending of a video container; undefined for anything else. Playlists are among that: ffmpeg would open the files
 * that they name.
 */
export function endingOf(head: Buffer): Ending | undefined {
  const start = head.toString('latin1', 0, HEAD_BYTES);
  return CONTAINERS.find(([, is]) => is(start))?.[0];
}

/** What a file that is no video is, in words. */
export function describeHead(head: Buffer): string {
  return (
    otherKind(head) ??
    'it begins like none of mp4, mov, webm, mkv, avi, mpeg, ts, flv, ogv, wmv, gif and webp'
  );
}

/** What a file is that is known to be something else than a video; undefined where nothing tells. */
export function otherKind(head: Buffer): string | undefined {
  const start = head
    .toString('latin1', 0, HEAD_BYTES)
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart();
  if (start === '') return 'it is empty';
  if (/^<(!doctype html|html|head|!--)/i.test(start)) return 'it is a web page';
  if (/^(#EXTM3U|ffconcat|\[playlist\]|<\?xml|<MPD)/i.test(start)) return 'it is a playlist or XML';
  const begins = (...starts: string[]) => starts.some((each) => start.startsWith(each));
  if (begins('\x89PNG', '\xff\xd8\xff')) return 'it is a single picture';
  if (begins('%PDF', 'PK\x03\x04', '\x1f\x8b')) return 'it is a document or an archive';
  return isLfsPointer(head) ? 'it is a Git LFS pointer; fetch it with git lfs pull' : undefined;
}
