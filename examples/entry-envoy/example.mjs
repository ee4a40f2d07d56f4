import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryExample } from '../entries.mjs';
import { python } from '../installs.mjs';

let programs;

export default entryExample(
  'Envoy',
  async ({ port, folder, exported }) => {
    const file = join(folder, 'envoy.yaml');
    writeFileSync(file, await exported('envoy'));
    return {
      name: 'Envoy',
      command: join(programs, 'envoy'),
      args: ['-c', file, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'],
      port,
    };
  },
  async () => {
    programs = python('entry-envoy');
  },
);
