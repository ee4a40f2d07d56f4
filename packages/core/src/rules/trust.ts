import { compileCidrs } from './cidrs.js';

/** Whose tags are trusted: everybody's, nobody's, or those of peers in some networks. */
export type Trust = 'all' | 'none' | readonly string[];

/** Whether a peer's tag is trusted; a peer without an address, such as behind a Unix socket, is in no network. */
export type TrustTest = (address: string | undefined) => boolean;

/** Cache size: the same peers come again, and parsing an address costs more than a look-up. */
const MAX_REMEMBERED_PEERS = 256;

/** Creates the test. Skips networks that `isCidr` rejects. */
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
