/** The agent as it is published, but that a test can make any hook of it fail: before it has done its work, or after. */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT } from './run-app.js';

/** Where every hook is called: the bundle's `safely`. */
const CALL = 'const result = Reflect.apply(hook, this, args);';

/**
 * Makes such a copy of the agent within a folder, and gives the file to preload. In a process that has it, `globalThis.laneHooks` is the set of
 * hooks that have been called so far, by name, and `globalThis.laneFault` is `{ name, when }`: which one fails, `before` its work or `after`.
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
