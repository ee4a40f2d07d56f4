const PACKAGE_MANAGERS = /(?:^|[\\/])(?:npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack|bun|bunx)(?:-cli)?(?:\.[cm]?js)?$/;

/** Whether a script is a package manager: it also starts under the app's NODE_OPTIONS, and the agent must stay quiet and fast there. */
export function isPackageManager(script: string | undefined): boolean {
  return script !== undefined && PACKAGE_MANAGERS.test(script);
}
