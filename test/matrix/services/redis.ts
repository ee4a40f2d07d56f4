import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service } from '../../servers/process.js';

/** Starts Redis, empty. */
export async function startRedis(): Promise<Service> {
  const program = programOf('redis-server', ['/usr/bin/redis-server']);
  const port = await freePort();
  const folder = dataFolder('redis');
  return startService(
    program,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder],
    /Ready to accept connections/,
    port,
    folder,
  );
}
