import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service } from '../../servers/process.js';

/** Starts NATS, with JetStream. */
export async function startNats(): Promise<Service> {
  const program = programOf('nats-server', ['/usr/sbin/nats-server', '/usr/bin/nats-server']);
  const port = await freePort();
  const folder = dataFolder('nats');
  return startService(program, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder], /Server is ready/, port, folder);
}
