import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@lane/testing/ports';
import { asUser, dataFolder, programOf, startService, type Service } from '../../servers/process.js';

const VERSIONS = '/usr/lib/postgresql';

/** Starts PostgreSQL; clients on this machine use user and database `postgres`. */
export async function startPostgres(): Promise<Service> {
  const versions = ((): string[] => {
    try {
      return readdirSync(VERSIONS);
    } catch {
      return [];
    }
  })();
  const program = programOf(
    'postgresql',
    versions.map((version) => join(VERSIONS, version, 'bin/postgres')),
  );
  const folder = dataFolder('postgres');
  const [init, initArgs] = asUser('postgres', folder, join(program, '../initdb'), ['-D', join(folder, 'data'), '-A', 'trust', '-U', 'postgres']);
  execFileSync(init, initArgs, { stdio: 'pipe', cwd: folder });
  const port = await freePort();
  const [command, args] = asUser('postgres', folder, program, ['-D', join(folder, 'data'), '-p', String(port), '-k', folder, '-h', '127.0.0.1']);
  return startService(command, args, /database system is ready to accept connections/, port, folder);
}
