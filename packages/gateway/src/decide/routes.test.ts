import { describe, expect, test } from 'vitest';
import { compileRoutes, findRoute, type GatewayRoute } from './routes.js';

const routes = compileRoutes([
  { host: '*', service: 'anything' },
  { host: '*', path: '/static', service: 'files' },
  { host: 'WWW.Example.com', path: '/a', service: 'a' },
  { host: 'www.example.com', path: '/a/b/', service: 'b', group: 'OTHER', tag: 'gray' },
  { host: '2001:db8::1', service: 'six' },
]);

describe('the route of a request', () => {
  test.each([
    ['www.example.com', '/a', 'a', 'the path itself'],
    ['www.example.com', '/a/', 'a', 'what is below it'],
    ['www.example.com', '/a/x', 'a', 'what is below it'],
    ['www.example.com', '/a/b', 'b', 'the longer path goes before the shorter one'],
    ['www.example.com', '/a/b/c', 'b', 'the longer path goes before the shorter one'],
    ['www.example.com', '/a/bc', 'a', 'whole segments count'],
    ['www.example.com', '/ab', 'anything', 'whole segments count'],
    ['www.example.com', '/A', 'anything', 'paths are told apart by case'],
    ['www.example.com', '/', 'anything', 'a path without a route of the host'],
    ['www.example.com', '/static/x', 'files', 'a path without a route of the host'],
    ['www.example.com', '/a/static', 'a', 'the host goes before the longer path of any host'],
    ['other.example.com', '/a', 'anything', 'another host'],
    ['example.com', '/a', 'anything', 'no host below another'],
    ['', '/', 'anything', 'no host at all'],
    ['2001:db8::1', '/x', 'six', 'an address'],
  ])('%s%s goes to %s: %s', (host, path, service) => {
    expect(findRoute(routes, host, path)?.key.name).toBe(service);
  });

  test('names group and lane, by default DEFAULT_GROUP and base', () => {
    expect(findRoute(routes, 'www.example.com', '/a/b')).toMatchObject({ key: { name: 'b', group: 'OTHER' }, tag: 'gray' });
    expect(findRoute(routes, 'www.example.com', '/a')).toMatchObject({ key: { name: 'a', group: 'DEFAULT_GROUP' }, tag: undefined });
  });

  test.each<[host: string, path: string, given: GatewayRoute]>([
    ['b', '/', { host: 'a', service: 's' }],
    ['a', '/', { host: 'a', path: '/x', service: 's' }],
    // As in OPTIONS *
    ['a', '*', { host: 'a', service: 's' }],
  ])('there is none for %s%s', (host, path, given) => {
    expect(findRoute(compileRoutes([given]), host, path)).toBeUndefined();
  });
});
