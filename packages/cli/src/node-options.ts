/** NODE_OPTIONS with the agent in it. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { CliError } from './cli-error.js';

/** The agent's file: the one installed for the app's folder, else the one beside this command. Throws a CliError if there is none. */
export function findAgent(folder: string): string {
  for (const from of [join(folder, 'package.json'), __filename]) {
    try {
      return createRequire(from).resolve('@lane/agent');
    } catch {
      // Not installed here.
    }
  }
  throw new CliError(`@lane/agent is not installed in ${folder}: run npm install @lane/agent`, 'ELANE_NO_AGENT');
}

/** Appends the agent to NODE_OPTIONS, unless it is there already. Quoted, since a path may have spaces. */
export function withAgent(nodeOptions: string | undefined, agent: string): string {
  const quoted = `--require "${agent.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  const before = nodeOptions?.trim() ?? '';
  if (before.includes(quoted)) return before;
  return before === '' ? quoted : `${before} ${quoted}`;
}
