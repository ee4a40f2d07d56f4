/**
 * Certificates of the webhook: our own authority, and the certificates that it signs. A pure function computes the next step, so
 * that independent replicas arrive at the same state.
 *
 * An authority is replaced in two steps: the new one is trusted beside the old one; then it signs. Every replica and the API server have time to
 * see the first step before the second. So we never serve a certificate that the API server does not trust.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

cryptoProvider.set(webcrypto as never);

/** A certificate with its key, in PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** What replicas share; kept in a Secret. */
export interface CertificateState {
  /** Signs. */
  readonly authority: KeyPair;
  /** Already trusted; signs from the next step on. */
  readonly nextAuthority?: KeyPair | undefined;
  /** Since when it is trusted, in milliseconds since 1970. */
  readonly nextAuthoritySince?: number | undefined;
  /** Authorities to trust, the signing one among them: PEM, one after the other. */
  readonly trusted: readonly string[];
  readonly serving: KeyPair;
}

/** Lifetimes. */
export interface CertificateTimes {
  readonly authorityMs: number;
  readonly servingMs: number;
  /** Time for replicas and the API server to see a new authority before it signs. */
  readonly settleMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** Ten years and 90 days, replaced after two thirds; five minutes to see a new authority. */
export const CERTIFICATE_TIMES: CertificateTimes = { authorityMs: 3650 * DAY_MS, servingMs: 90 * DAY_MS, settleMs: 5 * 60 * 1000 };

/** Clocks of a cluster differ. */
const BACKDATE_MS = 5 * 60 * 1000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The next state; the same object if nothing is due. */
export async function nextState(
  state: CertificateState | undefined,
  names: readonly string[],
  now: number,
  times: CertificateTimes = CERTIFICATE_TIMES,
): Promise<CertificateState> {
  if (state === undefined || isOver(state.authority, now)) {
    const authority = await makeAuthority(now, times.authorityMs);
    const others = (state?.trusted ?? []).filter((certificate) => !isOver({ certificate }, now));
    return { authority, trusted: [authority.certificate, ...others], serving: await makeServing(authority, names, now, times.servingMs) };
  }
  let next = state;
  if (next.nextAuthority === undefined && isDue(next.authority, now)) {
    const nextAuthority = await makeAuthority(now, times.authorityMs);
    next = { ...next, nextAuthority, nextAuthoritySince: now, trusted: [...next.trusted, nextAuthority.certificate] };
  } else if (next.nextAuthority !== undefined && now - (next.nextAuthoritySince ?? now) >= times.settleMs) {
    const { nextAuthority: authority, trusted } = next;
    // The old one stays trusted until it expires: other replicas still serve certificates that it has signed.
    next = { authority, trusted, serving: await makeServing(authority, names, now, times.servingMs) };
  }
  const trusted = next.trusted.filter((certificate) => !isOver({ certificate }, now));
  if (trusted.length !== next.trusted.length) next = { ...next, trusted };
  if (isDue(next.serving, now) || !isFor(next.serving, names))
    next = { ...next, serving: await makeServing(next.authority, names, now, times.servingMs) };
  return next;
}

/** When a certificate expires, in milliseconds since 1970. */
export function notAfterOf(certificate: string): number {
  return new X509Certificate(certificate).notAfter.getTime();
}

const isOver = ({ certificate }: Pick<KeyPair, 'certificate'>, now: number): boolean => notAfterOf(certificate) <= now;

/** After two thirds of its lifetime. */
function isDue({ certificate }: KeyPair, now: number): boolean {
  const { notBefore, notAfter } = new X509Certificate(certificate);
  return now >= notBefore.getTime() + ((notAfter.getTime() - notBefore.getTime()) * 2) / 3;
}

function isFor({ certificate }: KeyPair, names: readonly string[]): boolean {
  const extension = new X509Certificate(certificate).getExtension(SubjectAlternativeNameExtension);
  const present = new Set(extension?.names.items.map(({ value }) => value));
  return names.every((name) => present.has(name));
}

async function makeAuthority(now: number, lastsMs: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // If two had the same name, errors could not tell them apart.
    name: `CN=lane-injector-ca-${new Date(now).toISOString().slice(0, 10)}`,
    serialNumber: serialNumber(),
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + lastsMs),
    signingAlgorithm: ALGORITHM,
    keys: keys as never,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await toPem(keys.privateKey) };
}

async function makeServing(authority: KeyPair, names: readonly string[], now: number, lastsMs: number): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const issuer = new X509Certificate(authority.certificate);
  const [pkcs8] = PemConverter.decode(authority.key) as [ArrayBuffer];
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=lane-injector',
    issuer: issuer.subject,
    serialNumber: serialNumber(),
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(Math.min(now + lastsMs, issuer.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey as never,
    signingKey: (await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign'])) as never,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? 'ip' : 'dns', value }) as const)),
      await AuthorityKeyIdentifierExtension.create(issuer),
      await SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await toPem(keys.privateKey) };
}

/** A positive number from 16 random bytes. */
function serialNumber(): string {
  const bytes = Buffer.from(webcrypto.getRandomValues(new Uint8Array(16)));
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

async function toPem(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
