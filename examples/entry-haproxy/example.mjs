import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryExample } from '../entries.mjs';

export default entryExample('HAProxy', async ({ port, folder, exported }) => {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, await exported('haproxy'));
  return {
    name: 'HAProxy (Debian: haproxy)',
    command: 'haproxy',
    args: ['-db', '-f', file],
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    port,
  };
});
