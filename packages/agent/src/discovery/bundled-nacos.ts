import { readFile } from 'node:fs/promises';
import type { AgentLog } from '../boot/log.js';

/** What Nacos' client calls, in whatever way it has been minified. */
const MARK = '/nacos/v1/ns';

/**
 * Says, with the remedy, that Nacos' client is part of the app's own file: no file of its own is ever loaded, so that nothing of it
 * can be patched. Reads the file besides the app's start; a bundle of 10 MB takes a few milliseconds.
 */
export async function tellOfBundledNacos(file: string | undefined, log: AgentLog): Promise<void> {
  if (file === undefined) return;
  const content = await readFile(file).catch(() => undefined);
  if (content?.includes(MARK) !== true) return;
  log.warn(
    'nacos is bundled into the file of the app, where its instances can not be chosen by lane. Leave it out of the bundle: ' +
      "external: ['nacos'] for esbuild and rollup, externals: { nacos: 'commonjs nacos' } for webpack, serverExternalPackages: ['nacos'] for Next.js",
    { file },
  );
}
