import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service } from '../../servers/process.js';

/** Starts memcached, empty. */
export async function startMemcached(): Promise<Service> {
  const program = programOf('memcached', ['/usr/bin/memcached']);
  const port = await freePort();
  // This level logs that it listens; as root it requires a user.
  return startService(
    program,
    ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-u', 'nobody', '-vv'],
    /server listening/,
    port,
    dataFolder('memcached'),
  );
}
