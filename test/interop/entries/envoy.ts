/** Envoy, from PyPI. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder } from '../../servers/process.js';
import { envoyProgram } from '../envoy-program.js';
import { startProxy, type Proxy } from './proxy.js';

/** Starts it with a configuration that listens on `port`. */
export async function startEnvoyEntry(configuration: string, port: number): Promise<Proxy> {
  const folder = dataFolder('envoy');
  const file = join(folder, 'envoy.yaml');
  writeFileSync(file, configuration);
  const args = ['-c', file, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
  return startProxy(await envoyProgram(), args, port, folder);
}
