const PACKAGE_MANAGERS = /(?:^|[\\/])(?:npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack|bun|bunx)(?:-cli)?(?:\.[cm]?js)?$/;

/** Whether a script is that of a package manager: it starts under the app's NODE_OPTIONS too, where the agent must stay quiet and fast. */
export function isPackageManager(script: string | undefined): boolean {
  return script !== undefined && PACKAGE_MANAGERS.test(script);
}
