/** Where these tools lie: in a checkout, or in the package that npm makes of one and installs complete. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** npm leaves the lock file out of what it publishes. */
export const isCheckout = existsSync(join(root, 'package-lock.json'));
