import { describe, expect, test } from 'vitest';
import { compileTrust, type Trust } from './trust.js';

describe.each<[trust: Trust, believed: Array<string | undefined>, disbelieved: Array<string | undefined>]>([
  ['all', ['8.8.8.8', '::1', undefined], []],
  ['none', [], ['127.0.0.1', '::1', undefined]],
  [
    ['10.0.0.0/8', '::1'],
    ['10.1.2.3', '::ffff:10.1.2.3', '::1'],
    ['11.0.0.1', '::2', 'no address', '', undefined],
  ],
  [[], [], ['127.0.0.1', undefined]],
])('%j', (trust, believed, disbelieved) => {
  const trusts = compileTrust(trust);

  test.each(believed)('trusts %s', (address) => {
    // Twice: the answer for an address is remembered.
    expect([trusts(address), trusts(address)]).toEqual([true, true]);
  });

  test.each(disbelieved)('does not trust %s', (address) => {
    expect([trusts(address), trusts(address)]).toEqual([false, false]);
  });
});

test('distinguishes even more peers than it remembers', () => {
  const trusts = compileTrust(['10.0.0.0/8']);
  for (let i = 0; i < 600; i++) expect([trusts(`10.0.${i >> 8}.${i & 255}`), trusts(`11.0.${i >> 8}.${i & 255}`)]).toEqual([true, false]);
});
