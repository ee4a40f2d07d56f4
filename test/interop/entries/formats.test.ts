/** Real proxies with formats whose entry is more than `key=tag`: an agent reads what they write. */
import { createTagCodec, type FormatName } from '@lane/core/model';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { ask, SHOP, sourceOf, startInstances, type Instances } from './entry.js';
import { startHaproxy } from './haproxy.js';
import { startNginx } from './nginx.js';

let instances: Instances;
beforeAll(async () => {
  instances = await startInstances(['gray']);
});
afterAll(() => instances.stop());

const FORMATS: readonly FormatName[] = ['mse', 'joylive', 'header(x-any)'];

test.each([
  ['nginx', startNginx],
  ['haproxy', startHaproxy],
] as const)('%s', async (target, start) => {
  const port = await freePort();
  const { text } = exportRules(target, { ...sourceOf(instances, SHOP, port), formats: FORMATS });
  const proxy = await start(text, port);
  try {
    const headers = { baggage: 'user=42,__microservice_tag__=x', 'x-any': 'blue', __microservice_tag__: '[]', 'x-lane-code': 'blue' };
    const got = await ask(port, { host: 'www.example.com', path: '/a', headers });
    if (typeof got === 'number') throw new Error(`answered ${got}`);
    for (const format of FORMATS) {
      const codec = createTagCodec({ formats: [format] });
      expect(codec.read((name) => got.headers[name])).toBe('gray');
      expect(codec.counts).toEqual({ conflicts: 0, malformed: 0 });
    }
    expect(got.headers.baggage).toMatch(/^__microservice_tag__=\[.*,user=42$/);
    expect(got.headers['__microservice_tag__']).toBe(undefined);
  } finally {
    await proxy.stop();
  }
});
