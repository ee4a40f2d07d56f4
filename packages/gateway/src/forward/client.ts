/** The client of a request, and its connection. */
import type { TrustTest } from '@lane/core/rules';
import type { AnyRequest } from '../listen/listener.js';

/** The client of a request, as far as trusted. */
export interface Client {
  /** The other end of the connection. */
  readonly peer: string | undefined;
  /** The client's address: the peer's, or the one that a trusted peer reports. */
  readonly ip: string | undefined;
  readonly trusted: boolean;
  readonly encrypted: boolean;
}

/** Finds the client. In a trusted peer's `X-Forwarded-For`, the last address that is not itself trusted counts. */
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
