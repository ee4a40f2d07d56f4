import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryExample } from '../entries.mjs';

export default entryExample('nginx', async ({ port, folder, exported }) => {
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'lane.conf'), await exported('nginx'));
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;
pid ${folder}/pid;
error_log stderr;
events {}
http {
  ${temporary.join('\n  ')}
  access_log off;
  include ${folder}/lane.conf;
}
`,
  );
  return {
    name: 'nginx (Debian: nginx-light)',
    command: 'nginx',
    args: ['-p', folder, '-c', join(folder, 'nginx.conf')],
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
    port,
  };
});
