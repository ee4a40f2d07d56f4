/** A third party's registry: LANE_REGISTRY names its package, which the app has installed. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { registryFrom, type Registry } from '@lane/core/model';
import type { AgentLog } from '../boot/log.js';

/** Creates the registry; undefined, with a line in the log, if that fails. */
export function createOwnRegistry(name: string, log: AgentLog): Registry | undefined {
  try {
    return registryFrom(createRequire(join(process.cwd(), 'index.js'))(name), { log, holdProcess: false });
  } catch (error) {
    log.error(
      `LANE_REGISTRY=${name} can't be used: ${(error as Error).message.split('\n')[0]}. It must be nacos, kubernetes, or a package of the app that exports createRegistry. ` +
        'Calls go the way they would without the agent.',
    );
    return undefined;
  }
}
