import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { freePort } from '@lane/testing/ports';
import { asUser, dataFolder, programOf, startService, type Service } from '../../servers/process.js';

/** Starts MariaDB with a database `test`, without passwords. */
export async function startMariadb(): Promise<Service> {
  const program = programOf('mariadb-server', ['/usr/sbin/mariadbd']);
  const install = programOf('mariadb-server', ['/usr/bin/mariadb-install-db']);
  const folder = dataFolder('mariadb');
  const data = join(folder, 'data');
  const [init, initArgs] = asUser('mysql', folder, install, [`--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-log-bin']);
  execFileSync(init, initArgs, { stdio: 'pipe', cwd: folder });
  const port = await freePort();
  const [command, args] = asUser('mysql', folder, program, [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${join(folder, 'socket')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${join(folder, 'pid')}`,
    '--skip-grant-tables',
    '--skip-networking=0',
  ]);
  return startService(command, args, /ready for connections/, port, folder);
}
