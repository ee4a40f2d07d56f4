/** The published agent, modified so that a test can make any hook fail, before or after its work. */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT } from './run-app.js';

/** The bundle's `safely`, which calls every hook. */
const CALL = 'const result=Reflect.apply(hook,this,arguments);';

/**
 * Writes such a copy of the agent to a folder, and returns the file to preload. In a process with it, `globalThis.laneHooks` is the set of names of
 * hooks called so far, and `globalThis.laneFault`, `{ name, when }`, selects which one fails, `before` or `after` its work.
 */
export function makeFaultyAgent(folder: string): string {
  const published = dirname(AGENT);
  const copy = join(folder, 'agent/dist');
  cpSync(published, copy, { recursive: true });
  cpSync(join(published, '../package.json'), join(folder, 'agent/package.json'));
  symlinkSync(join(published, '../node_modules'), join(folder, 'agent/node_modules'));
  const bundle = join(copy, 'agent.js');
  const text = readFileSync(bundle, 'utf8');
  if (text.split(CALL).length !== 2) throw new Error(`the agent's bundle does not call its hooks by "${CALL}" any more`);
  const fails = (when: string): string =>
    `if (globalThis.laneFault?.name === name && globalThis.laneFault.when === '${when}') throw new Error('a defect');`;
  writeFileSync(bundle, text.replace(CALL, `(globalThis.laneHooks ??= new Set()).add(name); ${fails('before')} ${CALL} ${fails('after')}`));
  return join(copy, 'register.js');
}
