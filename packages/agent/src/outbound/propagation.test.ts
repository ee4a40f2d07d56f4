import { describe, expect, test } from 'vitest';
import { createLog } from '../boot/log.js';
import { createPropagation, isInternalHost } from './propagation.js';

describe('internal', () => {
  test.each([
    ...['localhost', 'shop-b', 'shop-b.', 'shop.prod.svc', 'shop.prod.svc.cluster.local', 'printer.local', 'api.internal', 'app.localhost'],
    ...['127.0.0.1', '127.255.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.1.1', '100.64.0.1', '0.0.0.0'],
    ...['::1', '[::1]', 'fc00::1', 'fd12:3456::1', 'fe80::1', '::ffff:10.0.0.1'],
  ])('%s is', (host) => expect(isInternalHost(host)).toBe(true));

  test.each([
    ...['example.com', 'www.example.com.', 'svc.example.com', 'local.example', 'notinternal.org'],
    ...['8.8.8.8', '172.15.0.1', '172.32.0.1', '192.169.0.1', '100.63.0.1', '100.128.0.1', '2001:db8::1', '::ffff:8.8.8.8'],
  ])('%s is not', (host) => expect(isInternalHost(host)).toBe(false));
});

describe('a tag', () => {
  const lines: string[] = [];
  const allows = (to: Parameters<typeof createPropagation>[0], host: string, known: readonly string[] = []): boolean =>
    createPropagation(
      to,
      (name) => known.includes(name),
      createLog('warn', false, (line) => lines.push(line)),
    ).allows(host);

  test('goes to public hosts only where that is asked for', () => {
    expect(allows('internal', 'api.example.com')).toBe(false);
    expect(allows('all', 'api.example.com')).toBe(true);
    expect(allows(['api.example.com'], 'API.example.com')).toBe(true);
    expect(allows(['*.example.com'], 'a.b.example.com')).toBe(true);
    expect(allows(['*.example.com'], 'example.com')).toBe(false);
    expect(allows(['*.example.com'], 'badexample.com')).toBe(false);
    expect(allows(['*.example.com'], '10.0.0.1')).toBe(true);
  });

  test('goes where instances of the registry live, from the moment they are known', () => {
    const known = new Set<string>();
    const propagation = createPropagation('internal', (host) => known.has(host), createLog('silent', false));
    expect(propagation.allows('203.0.113.7')).toBe(false);
    known.add('203.0.113.7');
    expect(propagation.allows('203.0.113.7')).toBe(true);
  });

  test('that is held back is told once for each host, with the remedy', () => {
    const said: string[] = [];
    const propagation = createPropagation(
      'internal',
      () => false,
      createLog('warn', false, (line) => said.push(line)),
    );
    for (const host of ['a.example.com', 'b.example.com', 'a.example.com']) propagation.allows(host);
    expect(said).toEqual([
      expect.stringMatching(/^lane warn: the lane tag is not sent to a\.example\.com.*LANE_PROPAGATE_TO=a\.example\.com\n$/),
      expect.stringContaining('b.example.com'),
    ]);
  });
});
