import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entryExample } from '../entries.mjs';
import { maven } from '../installs.mjs';

let built;

export default entryExample(
  'Spring Cloud Gateway',
  async ({ folder, exported }) => {
    const file = join(folder, 'application.yml');
    writeFileSync(file, await exported('spring-cloud-gateway'));
    return {
      name: 'Spring Cloud Gateway',
      command: 'java',
      args: [
        ...['-Xmx256m', '-XX:TieredStopAtLevel=1', '-jar', join(built, 'entry.jar')],
        ...[`--spring.config.location=file:${file}`, '--server.address=127.0.0.1'],
      ],
      ready: /Started Entry in/,
    };
  },
  async () => {
    built = maven('entry-spring-cloud-gateway', 'java');
  },
);
