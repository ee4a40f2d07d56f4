/** Real nginx, with the output of `lane gateway export nginx`. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { exportRules } from '@lane/gateway';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { closing } from '@lane/testing/cleanup';
import { freePort, listen } from '@lane/testing/ports';
import type { Proxy } from './proxy.js';
import { ask, SHOP, sourceOf, startInstances, type Got, type Instances } from './entry.js';
import { startNginx } from './nginx.js';
import { sameLanes } from './same-lanes.js';
import { scenario } from './scenario.js';
import { stickyShare } from './sticky-share.js';

let instances: Instances;
beforeAll(async () => {
  instances = await startInstances(['gray']);
});
afterAll(() => instances.stop());

describe('the scenario through nginx', () => {
  let nginx: Proxy;
  beforeAll(async () => {
    const port = await freePort();
    const { text, remarks } = exportRules('nginx', sourceOf(instances, SHOP, port));
    expect(remarks.filter(({ kind }) => kind === 'gap')).toEqual([]);
    nginx = await startNginx(text, port);
  });
  afterAll(() => nginx.stop());
  scenario(() => nginx.port);
});

describe('routes in nginx', () => {
  test('match host and path like a Kubernetes Ingress, and the lane', async () => {
    const port = await freePort();
    const service = 'spring-cloud-a';
    const source = sourceOf(instances, SHOP, port);
    const { text } = exportRules('nginx', {
      ...source,
      document: undefined,
      routes: [
        { host: 'www.example.com', path: '/a', service, tag: 'gray' },
        { host: 'www.example.com', path: '/exact', pathType: 'exact', service },
        { host: '*.example.com', path: '/', service, tag: 'gray' },
        { host: 'blue.test', service, tag: 'blue' },
        { host: 'none.test', service: 'nobody' },
      ],
    });
    const nginx = await startNginx(text, port);
    try {
      const name = async (host: string, path: string): Promise<string | number> => {
        const got = await ask(port, { host, path });
        return typeof got === 'number' ? got : got.name;
      };
      expect(await name('www.example.com', '/a')).toBe('gray');
      expect(await name('www.example.com', '/a/b?c')).toBe('gray');
      expect(await name('www.example.com', '/exact')).toBe('base');
      expect(await name('www.example.com', '/ab')).toBe('gray');
      expect(await name('x.example.com', '/')).toBe('gray');
      expect(await name('x.y.example.com', '/')).toBe(404);
      expect(await name('blue.test', '/')).toBe('base');
      expect(await name('none.test', '/')).toBe(503);
      expect(await name('elsewhere', '/')).toBe(404);
    } finally {
      await nginx.stop();
    }
  });
});

describe('connections from nginx', () => {
  test('are closed while idle before a Node server closes them, which would lose the next request', async () => {
    const sockets: Socket[] = [];
    const server = closing(createServer({ keepAliveTimeout: 0 }, (_request, response) => response.end('{}')));
    server.on('connection', (socket) => sockets.push(socket));
    const instance = { ip: '127.0.0.1', port: await listen(server), weight: 1, healthy: true, enabled: true, metadata: {} };
    const port = await freePort();
    const nginx = await startNginx(exportRules('nginx', sourceOf({ ...instances, instances: [instance] }, SHOP, port)).text, port);
    try {
      for (let i = 0; i < 2; i++) await ask(port, {});
      // Both went over one.
      expect(sockets).toHaveLength(1);
      const [socket] = sockets as [Socket];
      const idleSinceMs = Date.now();
      await once(socket, 'close');
      // nginx alone would keep it for 60 s.
      expect(Date.now() - idleSinceMs).toBeLessThan(30_000);
    } finally {
      await nginx.stop();
    }
  });
});

describe('formats in nginx', () => {
  test('are the requested ones; those of a client are removed in any format', async () => {
    const port = await freePort();
    const { text } = exportRules('nginx', { ...sourceOf(instances, SHOP, port), formats: ['mse', 'polaris'] });
    const nginx = await startNginx(text, port);
    try {
      const forged = { 'x-mse-tag': 'blue', 'service-lane': 'shop/blue', 'dubbo.tag': 'blue', baggage: 'user=42,lane=blue' };
      const gray = ((await ask(port, { headers: forged })) as Got).headers;
      const list = '__microservice_tag__=[{%22name%22:%22gray%22%2C%22tag%22:%22gray%22%2C%22priority%22:-1}]';
      expect(gray).toMatchObject({ 'x-mse-tag': 'gray', 'service-lane': 'shop/gray', baggage: `${list},x-mse-gray-tag=gray,user=42` });
      expect(gray).not.toHaveProperty('dubbo.tag');
      const base = ((await ask(port, { host: 'www.aliyundoc.com', headers: forged })) as Got).headers;
      expect(base).toMatchObject({ baggage: 'user=42' });
      for (const name of ['x-mse-tag', 'service-lane', 'dubbo.tag']) expect(base).not.toHaveProperty(name);
    } finally {
      await nginx.stop();
    }
  });
});

describe('by weight in nginx', () => {
  stickyShare('nginx', startNginx);
});

describe('the same rules in nginx and in Lane', () => {
  sameLanes('nginx', startNginx, { documents: 15 });
});
