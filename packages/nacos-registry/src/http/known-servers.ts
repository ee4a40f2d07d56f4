import type { LookupAddress } from 'node:dns';
import { withoutMapping } from './nacos-http.js';
import { untraced } from '../untraced.js';

/** Strangers can't make us resolve names more often than this. */
const LOOK_UP_EVERY_MS = 10_000;
/** How many answering addresses are remembered: more than any cluster has, including former ones. */
const MAX_PEERS = 64;

/**
 * The addresses of the configured servers: as written, as resolved by DNS, and those that have answered over
 * TCP, which cannot be spoofed.
 */
export class KnownServers {
  readonly #hosts: () => readonly string[];
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #peers = new Set<string>();
  #lookedUpAt = -Infinity;

  /** `hosts`: names and addresses of the servers, without ports. Asked again with each look-up. */
  constructor(hosts: () => readonly string[]) {
    this.#hosts = hosts;
    this.#lookUp();
  }

  /** Adds the address of a server that has answered. */
  add(peer: string): void {
    if (this.#peers.has(peer)) return;
    const [oldest] = this.#peers;
    if (this.#peers.size >= MAX_PEERS && oldest !== undefined) this.#peers.delete(oldest);
    this.#peers.add(peer);
  }

  /** Whether an address is a server's. For an unknown one, names are resolved again: servers move. */
  has(address: string): boolean {
    const sender = withoutMapping(address) as string;
    if (this.#peers.has(sender)) return true;
    for (const addresses of this.#addresses.values()) if (addresses.includes(sender)) return true;
    this.#lookUp();
    return false;
  }

  #lookUp(): void {
    const now = performance.now();
    if (now - this.#lookedUpAt < LOOK_UP_EVERY_MS) return;
    this.#lookedUpAt = now;
    const { isIP } = require('node:net') as typeof import('node:net');
    const hosts = this.#hosts();
    for (const host of this.#addresses.keys()) if (!hosts.includes(host)) this.#addresses.delete(host);
    for (const host of hosts) {
      if (isIP(host) !== 0) {
        this.#addresses.set(host, [host]);
        continue;
      }
      const { lookup } = require('node:dns') as typeof import('node:dns');
      untraced(() =>
        lookup(host, { all: true }, (error, found: LookupAddress[]) => {
          if (error === null)
            this.#addresses.set(
              host,
              found.map(({ address }) => address),
            );
        }),
      );
    }
  }
}
