import { realpathSync } from 'node:fs';
import { packageNameOf } from './package-name.js';

const MAY_BE = /(?:^|[\\/])(?:lane|main\.js)$/;

/** Whether this process is the `lane` command: beside an app it has the app's NODE_OPTIONS, and must not take its admin port. */
export function isLaneCommand(script: string | undefined): boolean {
  if (script === undefined || !MAY_BE.test(script)) return false;
  try {
    return packageNameOf(realpathSync(script)) === '@lane/cli';
  } catch {
    return false;
  }
}
