import { compileCidrs } from './cidrs.js';

/** Whose tags are believed: everybody's, nobody's, or those of peers in some networks. */
export type Trust = 'all' | 'none' | readonly string[];

/** Tells whether a peer's tag is believed; a peer without an address, as behind a Unix socket, is in no network. */
export type TrustTest = (address: string | undefined) => boolean;

/** Peers come again and again, and an address is more to parse than to look up. */
const MAX_REMEMBERED_PEERS = 256;

/** Makes the test. Networks are as `isCidr` takes them; others are left out. */
export function compileTrust(trust: Trust): TrustTest {
  if (trust === 'all') return () => true;
  if (trust === 'none') return () => false;
  const contains = compileCidrs(trust);
  const remembered = new Map<string, boolean>();
  return (address) => {
    if (address === undefined) return false;
    let trusted = remembered.get(address);
    if (trusted === undefined) {
      trusted = contains(address);
      if (remembered.size < MAX_REMEMBERED_PEERS) remembered.set(address, trusted);
    }
    return trusted;
  };
}
