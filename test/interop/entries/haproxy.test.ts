/** Real HAProxy, with the output of `lane gateway export haproxy`. */
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startHaproxy } from './haproxy.js';
import type { Proxy } from './proxy.js';
import { sameLanes } from './same-lanes.js';
import { scenario } from './scenario.js';
import { stickyShare } from './sticky-share.js';

describe('the scenario through HAProxy', () => {
  let instances: Instances;
  let proxy: Proxy;
  beforeAll(async () => {
    instances = await startInstances(['gray']);
    const port = await freePort();
    const { text, remarks } = exportRules('haproxy', sourceOf(instances, SHOP, port));
    expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
    proxy = await startHaproxy(text, port);
  });
  afterAll(async () => {
    await proxy?.stop();
    await instances.stop();
  });
  scenario(() => proxy.port);
});

describe('by weight in HAProxy', () => {
  stickyShare('haproxy', startHaproxy);
});

describe('the same rules in HAProxy and in Lane', () => {
  sameLanes('haproxy', startHaproxy, { documents: 15 });
});
