import { readFile } from 'node:fs';
import type { AgentLog } from '../boot/log.js';

/** What Nacos' client logs, in whatever way it has been minified. Its URLs may be those of an app that asks Nacos itself. */
const MARKS = ['[NameProxy][REGISTER-SERVICE]', '[HostReactor] '];

/**
 * Says, with the remedy, that Nacos' client is part of the app's own file: no file of its own is ever loaded, so that nothing of it
 * can be patched. Reads the file besides the app's start; a bundle of 10 MB takes a few milliseconds.
 */
export function tellOfBundledNacos(file: string | undefined, log: AgentLog): void {
  if (file === undefined) return;
  // Not of fs/promises, which few apps have loaded by then.
  readFile(file, (_, content: Buffer | undefined) => {
    if (content === undefined || !MARKS.every((mark) => content.includes(mark))) return;
    log.warn(
      'nacos is bundled into the file of the app, where its instances can not be chosen by lane. Leave it out of the bundle: ' +
        "external: ['nacos'] for esbuild and rollup, externals: { nacos: 'commonjs nacos' } for webpack, serverExternalPackages: ['nacos'] for Next.js",
      { file },
    );
  });
}
