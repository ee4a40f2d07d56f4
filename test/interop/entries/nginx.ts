/** nginx from Debian. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder, programOf } from '../../servers/process.js';
import { startProxy, type Proxy } from './proxy.js';

/** Starts it with a configuration for its http block, which listens on `port`. `connections`: how many it may have open. */
export function startNginx(configuration: string, port: number, modules: readonly string[] = [], connections = 512): Promise<Proxy> {
  const folder = dataFolder('nginx');
  mkdirSync(join(folder, 'logs'));
  writeFileSync(join(folder, 'lane.conf'), configuration);
  // Only we can access its folder: a worker under another user could not write there.
  const user = process.getuid?.() === 0 ? 'user root;\n' : '';
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `${modules.map((file) => `load_module ${file};\n`).join('')}${user}daemon off;\nworker_processes 1;\npid ${folder}/pid;\nerror_log stderr;\nevents { worker_connections ${connections}; }\nhttp {\n${temporary.join('\n')}\naccess_log off;\ninclude ${folder}/lane.conf;\n}\n`,
  );
  return startProxy(programOf('nginx-light', ['/usr/sbin/nginx']), ['-p', folder, '-c', join(folder, 'nginx.conf')], port, folder);
}
