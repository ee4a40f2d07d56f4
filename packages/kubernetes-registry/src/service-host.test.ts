import { expect, test } from 'vitest';
import { parseServiceHost } from './service-host.js';

test.each([
  ['b', 'b', undefined, true],
  ['B', 'b', undefined, true],
  ['b.shop', 'b', 'shop', false],
  ['b.shop.svc', 'b', 'shop', true],
  ['b.shop.svc.cluster.local', 'b', 'shop', true],
  ['b.shop.svc.cluster.local.', 'b', 'shop', true],
  ['b.shop.svc.k8s.corp.example', 'b', 'shop', true],
])('%s is Service %s of namespace %s', (host, name, namespace, isCertain) => {
  expect(parseServiceHost(host)).toEqual({ name, namespace, isCertain });
});

test.each([
  'localhost',
  '10.0.0.1',
  '::1',
  '[::1]',
  'www.example.com',
  'pod-0.b.shop.svc.cluster.local',
  'b.shop.pod.cluster.local',
  'b_c',
  '-b',
  '',
  '.',
  'a..svc',
])('%s is not a Service', (host) => {
  expect(parseServiceHost(host)).toBeUndefined();
});
