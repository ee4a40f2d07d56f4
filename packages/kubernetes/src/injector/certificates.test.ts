import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { nextState, type CertificateState } from './certificates.js';

const NAMES = ['lane-injector.lane-system.svc'];
const TIMES = { authorityMs: 3000, servingMs: 900, settleMs: 100 };
const START = Date.parse('2030-01-01');
/** Certificates are backdated by five minutes, which counts towards two thirds of their lifetime. */
const LONG = { authorityMs: 3000 * 3_600_000, servingMs: 900 * 3_600_000, settleMs: 100 * 3_600_000 };
const hours = (count: number): number => START + count * 3_600_000;

const signedBy = (state: CertificateState, authority: string): boolean =>
  new X509Certificate(state.serving.certificate).verify(new X509Certificate(authority).publicKey);

describe('the next state of certificates', () => {
  test('is created for the given names, and stays while nothing is due', async () => {
    const state = await nextState(undefined, NAMES, START, LONG);
    expect(state.trusted).toEqual([state.authority.certificate]);
    expect(signedBy(state, state.authority.certificate)).toBe(true);
    expect(new X509Certificate(state.serving.certificate).checkHost(NAMES[0] as string)).toBe(NAMES[0]);
    expect(await nextState(state, NAMES, hours(1), LONG)).toBe(state);
  });

  test('has a new certificate after two thirds of the old one’s lifetime, and when names change', async () => {
    const state = await nextState(undefined, NAMES, START, LONG);
    expect(await nextState(state, NAMES, hours(599), LONG)).toBe(state);
    const later = await nextState(state, NAMES, hours(601), LONG);
    expect(later.authority).toEqual(state.authority);
    expect(later.serving.certificate).not.toBe(state.serving.certificate);
    const renamed = await nextState(state, [...NAMES, '127.0.0.1'], hours(1), LONG);
    expect(new X509Certificate(renamed.serving.certificate).checkIP('127.0.0.1')).toBe('127.0.0.1');
  });

  test('trusts a new authority for a while before it signs, and the old one until it expires: any served certificate is trusted', async () => {
    let state = await nextState(undefined, NAMES, START, LONG);
    const first = state.authority.certificate;
    const seen: string[] = [];
    for (let hour = 0; hour <= 6000; hour += 20) {
      const before = state;
      state = await nextState(state, NAMES, hours(hour), LONG);
      // Whatever is served now, or may still be served by another replica, is signed by an authority that both states trust.
      for (const served of [before, state]) {
        for (const { trusted } of [before, state]) expect(trusted.some((authority) => signedBy(served, authority))).toBe(true);
      }
      if (!seen.includes(state.authority.certificate)) seen.push(state.authority.certificate);
    }
    expect(seen.length).toBeGreaterThan(2);
    expect(state.trusted).not.toContain(first);
  });

  test('lets a new authority sign only after everybody has had time to see it', async () => {
    const first = await nextState(undefined, NAMES, START, LONG);
    const trusting = await nextState(first, NAMES, hours(2001), LONG);
    expect(trusting.trusted).toHaveLength(2);
    const waiting = await nextState(trusting, NAMES, hours(2100), LONG);
    expect(waiting.authority).toEqual(first.authority);
    const signing = await nextState(waiting, NAMES, hours(2102), LONG);
    expect(signing.authority).toEqual(trusting.nextAuthority);
    expect(signedBy(signing, signing.authority.certificate)).toBe(true);
  });

  test('starts over if the authority has expired', async () => {
    const state = await nextState(undefined, NAMES, START, TIMES);
    const later = await nextState(state, NAMES, START + 10_000, TIMES);
    expect(later.trusted).toEqual([later.authority.certificate]);
    expect(signedBy(later, later.authority.certificate)).toBe(true);
  });
});
