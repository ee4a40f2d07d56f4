/** The memory of Envoys: as much as there is room for; beyond that, each address keeps no more than its share. */
import { EnvoyState } from './envoy-state.js';

/** Size of an empty state. */
const BYTES_OF_STATE = 1_000;

interface Remembered {
  readonly address: string;
  readonly node: string;
  readonly state: EnvoyState;
  bytes: number;
}

/** The Envoys at one address, least recently heard first. */
interface Neighbours {
  readonly byNode: Map<string, Remembered>;
  bytes: number;
}

/**
 * A client may claim to be a thousand Envoys with ten thousand clusters. If all together take too much, the least recently heard Envoy at the address
 * that takes most is evicted, so that no other Envoy has to introduce itself again.
 */
export class EnvoyMemory {
  readonly #byAddress = new Map<string, Neighbours>();
  readonly #remembered = new Map<EnvoyState, Remembered>();
  #bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly onForget: (state: EnvoyState) => void,
  ) {}

  /** The state of an Envoy that sends a request. Call `weigh` afterwards. */
  stateOf(node: string, address: string, nowMs: number): EnvoyState {
    let neighbours = this.#byAddress.get(address);
    if (neighbours === undefined) this.#byAddress.set(address, (neighbours = { byNode: new Map(), bytes: 0 }));
    const one = neighbours.byNode.get(node) ?? { address, node, state: new EnvoyState(nowMs), bytes: 0 };
    neighbours.byNode.delete(node);
    neighbours.byNode.set(node, one);
    this.#remembered.set(one.state, one);
    return one.state;
  }

  /** Call this after a state has changed. */
  weigh(state: EnvoyState): void {
    const weighed = this.#remembered.get(state);
    if (weighed === undefined) return;
    this.#count(weighed, BYTES_OF_STATE + weighed.node.length * 2 + state.bytes);
    while (this.#bytes > this.maxBytes) {
      let largest: Neighbours | undefined;
      for (const one of this.#byAddress.values()) if (largest === undefined || one.bytes > largest.bytes) largest = one;
      const [oldest] = largest?.byNode.values() ?? [];
      if (oldest === undefined) return;
      this.#remove(oldest);
    }
  }

  #count(one: Remembered, bytes: number): void {
    const added = bytes - one.bytes;
    one.bytes = bytes;
    this.#bytes += added;
    const neighbours = this.#byAddress.get(one.address);
    if (neighbours !== undefined) neighbours.bytes += added;
  }

  #remove(one: Remembered): void {
    this.#count(one, 0);
    this.#remembered.delete(one.state);
    const neighbours = this.#byAddress.get(one.address);
    neighbours?.byNode.delete(one.node);
    if (neighbours?.byNode.size === 0) this.#byAddress.delete(one.address);
    this.onForget(one.state);
  }
}
