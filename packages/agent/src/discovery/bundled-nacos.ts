import { readFile } from 'node:fs/promises';
import type { AgentLog } from '../boot/log.js';

/**
 * Texts of nacos' client (nacos-naming, lib/const.js and lib/naming/host_reactor.js, 2.0.0 to 2.6.3) which every bundler leaves as they are. Not
 * what it calls alone: an app that speaks to Nacos' API itself has that, too.
 */
const MARKS = ['/nacos/v1/ns', '[HostReactor] removed ips('];

/**
 * Says, with the remedy, that Nacos' client is part of the app's own file: no file of its own is ever loaded, so that nothing of it
 * can be patched. Reads the file besides the app's start; a bundle of 10 MB takes a few milliseconds.
 */
export async function tellOfBundledNacos(file: string | undefined, log: AgentLog): Promise<void> {
  if (file === undefined) return;
  const content = await readFile(file).catch(() => undefined);
  if (content === undefined || !MARKS.every((mark) => content.includes(mark))) return;
  log.warn(
    'nacos is bundled into the file of the app, where its instances can not be chosen by lane. Leave it out of the bundle: ' +
      "external: ['nacos'] for esbuild and rollup, externals: { nacos: 'commonjs nacos' } for webpack, serverExternalPackages: ['nacos'] for Next.js",
    { file },
  );
}
