/** Who asked, and by what way. */
import type { TrustTest } from '@lane/core/rules';
import type { AnyRequest } from '../listen/listener.js';

/** Who asked, as far as it is to be believed. */
export interface Client {
  /** The other end of the connection. */
  readonly peer: string | undefined;
  /** The address that asked: that of the peer, or what a trusted peer says. */
  readonly ip: string | undefined;
  readonly trusted: boolean;
  readonly encrypted: boolean;
}

/** Tells who asked. Of a trusted peer's `X-Forwarded-For` the last address counts that is not a trusted one itself. */
export function clientOf(request: AnyRequest, trusts: TrustTest): Client {
  const peer = request.socket.remoteAddress;
  const trusted = trusts(peer);
  const encrypted = (request.socket as { encrypted?: boolean }).encrypted === true;
  const told = trusted ? request.headers['x-forwarded-for'] : undefined;
  if (told === undefined) return { peer, ip: peer, trusted, encrypted };
  const addresses = (typeof told === 'string' ? told : told.join(',')).split(',');
  let ip = peer;
  for (let i = addresses.length - 1; i >= 0; i--) {
    const address = (addresses[i] as string).trim();
    if (address === '') break;
    ip = address;
    if (!trusts(address)) break;
  }
  return { peer, ip, trusted, encrypted };
}
