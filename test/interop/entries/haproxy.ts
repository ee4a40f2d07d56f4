/** HAProxy from Debian. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder, programOf } from '../../servers/process.js';
import { startProxy, type Proxy } from './proxy.js';

/** Starts it with a configuration that listens on `port`; `withMaster`: SIGUSR2 reloads it. */
export function startHaproxy(configuration: string, port: number, withMaster = false): Promise<Proxy> {
  const folder = dataFolder('haproxy');
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration);
  return startProxy(programOf('haproxy', ['/usr/sbin/haproxy']), [...(withMaster ? ['-W'] : []), '-db', '-f', file], port, folder);
}
