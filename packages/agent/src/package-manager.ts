import { basename } from 'node:path';

const PACKAGE_MANAGERS = /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack|bun|bunx)(-cli)?(\.[cm]?js)?$/;

/** Whether this process is a package manager: it starts under the app's NODE_OPTIONS too, and must stay quiet and fast. */
export function isPackageManager(script: string | undefined): boolean {
  return script !== undefined && PACKAGE_MANAGERS.test(basename(script));
}
