/** NODE_OPTIONS with the agent in it. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CliError } from './cli-error.js';

/** The agent's file: that of the app's folder, else the one installed beside this command. Throws a CliError where there is none. */
export function findAgent(folder: string): string {
  for (const from of [join(folder, 'package.json'), __filename]) {
    try {
      return createRequire(from).resolve('@lane/agent');
    } catch {
      // not from here
    }
  }
  throw new CliError(`@lane/agent is not installed in ${folder}: npm install @lane/agent`, 'ELANE_NO_AGENT');
}

/** Appends the agent to what is there; twice is once. Quoted, since a path may have spaces. */
export function withAgent(nodeOptions: string | undefined, agent: string): string {
  const quoted = `--require "${agent.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const before = nodeOptions?.trim() ?? '';
  if (before.includes(quoted)) return before;
  return before === '' ? quoted : `${before} ${quoted}`;
}
