import { BlockList } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileCidrs, isCidr } from './cidrs.js';

describe('a network', () => {
  test.each([
    '10.0.0.0/8',
    '0.0.0.0/0',
    '192.0.2.7',
    '192.0.2.7/32',
    '10.1.2.3/8',
    'fd00::/8',
    '::/0',
    '::1',
    '::1/128',
    '2001:DB8::/32',
    '::ffff:10.0.0.0/104',
    '::ffff:10.0.0.1',
    '64:ff9b::192.0.2.0/120',
  ])('may be %s', (text) => expect(isCidr(text)).toBe(true));

  test.each([
    ['nothing', ''],
    ['one bit too many for IPv4', '10.0.0.0/33'],
    ['one bit too many for IPv6', 'fd00::/129'],
    ['a negative length', '10.0.0.0/-1'],
    ['no length after the slash', '10.0.0.0/'],
    ['a length with a zero in front', '10.0.0.0/08'],
    ['a mask for a length', '10.0.0.0/255.0.0.0'],
    ['two lengths', '10.0.0.0/8/8'],
    ['one number, which inet_aton takes for 0.0.0.10', '10/8'],
    ['two numbers, which inet_aton takes for 10.0.0.1', '10.1/16'],
    ['an octal number, which inet_aton takes for 8.0.0.0', '010.0.0.0/8'],
    ['a hexadecimal number', '0x0a.0.0.0/8'],
    ['an octal number in a mapped address', '::ffff:010.0.0.1'],
    ['a number past 255', '256.0.0.0/8'],
    ['a blank in front', ' 10.0.0.0/8'],
    ['a blank at the end', '10.0.0.0/8 '],
    ['a host name', 'localhost'],
    ['brackets', '[::1]'],
    ['a zone', 'fe80::%eth0/64'],
    ['two gaps', '1::2::3'],
    ['an IPv4-compatible address', '::10.0.0.1'],
  ])('may not be %s: %j', (_, text) => {
    expect(isCidr(text)).toBe(false);
    // Where nobody asked before, it is left out and the rest holds.
    expect(['192.0.2.7', '10.0.0.1', '8.0.0.1'].map(compileCidrs([text, '192.0.2.7']))).toEqual([true, false, false]);
  });
});

test('is the same for the parser: nothing that is accepted matches nobody', () => {
  const piece = fc.constantFrom(
    ...['0', '1', '10', '010', '255', '256', 'ffff', 'g', '12345', '.', '.', '.', ':', ':', '::', '/', '/8', '/33', '/128', '/129', '%e', ' ', ''],
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
        fc.ipV4(),
        fc.ipV6(),
        fc.ipV4Extended(),
      ),
      (text) => {
        const address = text.split('/')[0] as string;
        // The address of a network is in that network.
        expect(compileCidrs([text])(address)).toBe(isCidr(text));
      },
    ),
    { numRuns: 20_000 },
  );
});

describe('an address', () => {
  test.each<[networks: readonly string[], address: string, isIn: boolean]>([
    [['10.0.0.0/8'], '10.0.0.0', true],
    [['10.0.0.0/8'], '10.255.255.255', true],
    [['10.0.0.0/8'], '9.255.255.255', false],
    [['10.0.0.0/8'], '11.0.0.0', false],
    [['10.9.9.9/8'], '10.1.2.3', true],
    [['192.0.2.7'], '192.0.2.7', true],
    [['192.0.2.7'], '192.0.2.8', false],
    [['0.0.0.0/0'], '255.255.255.255', true],
    [['192.168.0.0/16', '10.0.0.0/8', 'fd00::/8'], '10.1.1.1', true],
    [['fd00::/8'], 'fdff::1', true],
    [['fd00::/8'], 'fe00::1', false],
    [['2001:db8::/33'], '2001:db8:7fff::1', true],
    [['2001:db8::/33'], '2001:db8:8000::1', false],
    [['::1'], '0:0:0:0:0:0:0:1', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
    // A dual-stack socket tells IPv4 peers as IPv6.
    [['10.0.0.0/8'], '::ffff:10.1.2.3', true],
    [['10.0.0.0/8'], '::FFFF:a01:203', true],
    [['10.0.0.0/8'], '::ffff:11.1.2.3', false],
    [['::ffff:10.0.0.0/104'], '10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '::ffff:10.1.2.3', true],
    [['::ffff:10.0.0.0/104'], '11.1.2.3', false],
    [['::ffff:0:0/96'], '11.1.2.3', true],
    // Each family for itself.
    [['0.0.0.0/0'], '::1', false],
    [['::/0'], '10.1.2.3', false],
    [['::/0'], '::ffff:10.1.2.3', false],
    [['10.0.0.0/8'], '::10.1.2.3', false],
    // What is no address is in no network.
    [['0.0.0.0/0', '::/0'], '', false],
    [['0.0.0.0/0', '::/0'], 'unknown', false],
    [['0.0.0.0/0', '::/0'], '10', false],
    [['0.0.0.0/0', '::/0'], '10.0.0.1:8080', false],
    [['0.0.0.0/0', '::/0'], '10.0.0.1, 10.0.0.2', false],
    [[], '10.0.0.1', false],
  ])('%j contains %s: %s', (networks, address, isIn) => {
    expect(compileCidrs(networks)(address)).toBe(isIn);
  });

  // Near each other: by chance alone hardly an address would be in a network.
  const v4 = fc.tuple(fc.constantFrom(10, 192), fc.constantFrom(0, 1, 128), fc.nat(255), fc.nat(255)).map((bytes) => bytes.join('.'));
  const v6 = fc
    .tuple(fc.constantFrom('fd00', '2001'), fc.constantFrom('0', '1', '8000'), fc.nat(0xffff), fc.nat(0xffff))
    .map(([a, b, c, d]) => `${a}:${b}:${c.toString(16)}::${d.toString(16)}`);

  test("is in a network exactly if node:net's BlockList says so", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.tuple(v4, fc.integer({ min: 0, max: 32 }), v4), fc.tuple(v6, fc.integer({ min: 0, max: 128 }), v6)),
        ([network, bits, address]) => {
          const family = network.includes(':') ? 'ipv6' : 'ipv4';
          const oracle = new BlockList();
          oracle.addSubnet(network, bits, family);
          expect(compileCidrs([`${network}/${bits}`])(address)).toBe(oracle.check(address, family));
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
