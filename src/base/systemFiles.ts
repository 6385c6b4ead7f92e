/** Files that operating systems leave in folders beside a person's own. */

/** Windows' folder views, and the folders of macOS's archiver and Synology's indexer. */
const SYSTEM_NAMES = new Set(['thumbs.db', 'ehthumbs.db', 'desktop.ini', '__macosx', '@eadir']);

/**
 * Whether an entry of a folder is hidden or a system's own: `.DS_Store`, `Thumbs.db`, and `._000001.jpg`, which macOS
 * writes beside `000001.jpg` on foreign disks and in archives (AppleDouble) and which is no picture.
 */
export function isSystemEntry(name: string): boolean {
  return name.startsWith('.') || SYSTEM_NAMES.has(name.toLowerCase());
}
