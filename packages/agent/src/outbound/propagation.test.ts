import { describe, expect, test } from 'vitest';
import { createLog } from '../boot/log.js';
import { createPropagation, isInternalHost } from './propagation.js';

describe('internal', () => {
  test.each([
    ...[
      'localhost',
      'LocalHost',
      'shop-b',
      'shop_b',
      'shop-b.',
      'shop.prod.svc',
      'shop.prod.svc.cluster.local',
      'SHOP.PROD.SVC.',
      '店',
      'xn--wgv71a',
    ],
    ...['printer.local', 'api.internal', 'app.localhost', '10-1-2-3.prod.pod.cluster.local', '1a', '0xshop'],
    ...['127.0.0.1', '127.255.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.1.1', '100.64.0.1', '0.0.0.0', '10.1.2.3.'],
    ...[
      '::1',
      '[::1]',
      'fc00::1',
      'fd12:3456::1',
      'FE80::1',
      'fe80::1%eth0',
      '[fe80::1%en0]',
      'febf::1',
      '::ffff:10.0.0.1',
      '::FFFF:A00:1',
      '0:0:0:0:0:ffff:10.0.0.1',
    ],
    // The same addresses in other spellings, as inet_aton takes them.
    ...[
      '127.1',
      '2130706433',
      '0x7f000001',
      '0x7F.1',
      '017700000001',
      '0177.0.0.1',
      '10.1',
      '167772161',
      '0xa.0x1.0x2.0x3',
      '012.1.2.3',
      '0',
      '１０.1.2.3',
    ],
  ])('%s is', (host) => expect(isInternalHost(host)).toBe(true));

  test.each([
    ...[
      'example.com',
      'www.example.com.',
      'svc.example.com',
      'local.example',
      'notinternal.org',
      'EXAMPLE.COM',
      'bücher.example',
      'xn--bcher-kva.example',
    ],
    ...[
      '8.8.8.8',
      '172.15.0.1',
      '172.32.0.1',
      '192.169.0.1',
      '100.63.0.1',
      '100.128.0.1',
      '2001:db8::1',
      '::ffff:8.8.8.8',
      '::8.8.8.8',
      '64:ff9b::a00:1',
    ],
    // A group of four digits each: neither is in fc00::/7.
    ...['fc::1', 'fd::1', 'fec0::1', '2001:db8::1%eth0'],
    // Public addresses that look like a single label or a private address.
    ...[
      '134744072',
      '134744072.',
      '0x08080808',
      '0X8080808',
      '01002004010',
      '010.8.8.8',
      '0010.1.2.3',
      '8.8',
      '8.526344',
      '0x8.8',
      '::ffff:808:808',
      '[::FFFF:8.8.8.8]',
    ],
    ...['８.８.８.８', '１３４７４４０７２', 'example。com', 'example．com', 'example｡com'],
    // What nobody understands.
    ...[
      '',
      '.',
      '..',
      'a..b',
      '.local',
      'a..local',
      'local..',
      '256.0.0.1',
      '10.0.0.256',
      '08.8.8.8',
      '1.2.3.4.5',
      '4294967296',
      '10.0.0.1.5',
      '0xg.1',
      'shop.0x1',
    ],
    ...[
      'a b',
      'a/b',
      'a\\b',
      'a@b',
      'shop:80',
      'a%2eb',
      '%31%30.1.2.3',
      'a#b',
      'a?b',
      'a\0b',
      'a\tb',
      ' shop',
      '[shop]',
      '[10.0.0.1]',
      '::1::',
      'fe80::1%',
      'fe80::1%a/b',
      ':::',
      'x'.repeat(300),
    ],
  ])('%j is not', (host) => expect(isInternalHost(host)).toBe(false));
});

describe('a tag', () => {
  const lines: string[] = [];
  const allows = (to: Parameters<typeof createPropagation>[0]['propagateTo'], host: string, known: readonly string[] = []): boolean =>
    createPropagation(
      { propagateTo: to, baggageBoundary: 'keep' },
      (name) => known.includes(name),
      createLog('warn', false, (line) => lines.push(line)),
    ).allows(host);

  test('goes to public hosts only if configured', () => {
    expect(allows('internal', 'api.example.com')).toBe(false);
    expect(allows('all', 'api.example.com')).toBe(true);
    expect(allows(['api.example.com'], 'API.example.com')).toBe(true);
    expect(allows(['*.example.com'], 'a.b.example.com')).toBe(true);
    expect(allows(['*.example.com'], 'example.com')).toBe(false);
    expect(allows(['*.example.com'], 'badexample.com')).toBe(false);
    expect(allows(['*.example.com'], '10.0.0.1')).toBe(true);
    // Patterns see the host as it is connected to.
    expect(allows(['8.8.8.8'], '0x08080808')).toBe(true);
    expect(allows(['api.example.com'], 'api.example.com.')).toBe(true);
    expect(allows(['*.example.com'], 'a/b.example.com')).toBe(false);
  });

  test('goes to hosts of registered instances, as soon as they are known', () => {
    const known = new Set<string>();
    const propagation = createPropagation(
      { propagateTo: 'internal', baggageBoundary: 'keep' },
      (host) => known.has(host),
      createLog('silent', false),
    );
    expect(propagation.allows('203.0.113.7')).toBe(false);
    known.add('203.0.113.7');
    expect(propagation.allows('203.0.113.7')).toBe(true);
  });

  test('removes all baggage if configured: none crosses the boundary', () => {
    const stripping = (propagateTo: 'internal' | 'all' | readonly string[]): boolean[] | undefined => {
      const { strips } = createPropagation(
        { propagateTo, baggageBoundary: 'strip' },
        (host) => host === 'pay.example.com',
        createLog('silent', false),
      );
      return strips && ['10.0.0.1', 'pay.example.com', 'api.example.com', 'a/b'].map((host) => strips(host));
    };
    expect(stripping('internal')).toEqual([false, false, true, true]);
    expect(stripping(['api.example.com'])).toEqual([false, false, false, true]);
    // Nothing is outside.
    expect(stripping('all')).toBe(undefined);
  });

  test('that is held back is logged once per host, with the remedy', () => {
    const said: string[] = [];
    const propagation = createPropagation(
      { propagateTo: 'internal', baggageBoundary: 'keep' },
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
