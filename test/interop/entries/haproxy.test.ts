/** Real HAProxy, with what `lane gateway export haproxy` has written. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { dataFolder, freePort, programOf } from '../../servers/process.js';
import { SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startProxy, type Proxy } from './proxy.js';
import { scenario } from './scenario.js';

let instances: Instances;
let proxy: Proxy;
beforeAll(async () => {
  instances = await startInstances(['gray']);
  const port = await freePort();
  const { text, remarks } = exportRules('haproxy', sourceOf(instances, SHOP, port));
  expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
  const folder = dataFolder('haproxy');
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, text);
  proxy = await startProxy(programOf('haproxy', ['/usr/sbin/haproxy']), ['-W', '-db', '-f', file], port, folder);
});
afterAll(async () => {
  await proxy?.stop();
  await instances.stop();
});

describe('the scenario through HAProxy', () => {
  scenario(() => proxy.port);
});
