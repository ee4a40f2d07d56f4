/** What is kept of Envoys: as much as there is room for, and of each address no more than its share where there is none. */
import { EnvoyState } from './envoy-state.js';

/** What a state takes that has heard nothing. */
const BYTES_OF_STATE = 1_000;

interface Remembered {
  readonly address: string;
  readonly node: string;
  readonly state: EnvoyState;
  bytes: number;
}

/** The Envoys at one address; those heard longest ago first. */
interface Neighbours {
  readonly byNode: Map<string, Remembered>;
  bytes: number;
}

/**
 * Anybody may call himself a thousand Envoys and say that he has ten thousand clusters. Where all take too much, an Envoy is forgotten at the address
 * that takes most, the one heard longest ago: nobody else has to introduce himself again for that.
 */
export class EnvoyMemory {
  readonly #byAddress = new Map<string, Neighbours>();
  readonly #remembered = new Map<EnvoyState, Remembered>();
  #bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly onForget: (state: EnvoyState) => void,
  ) {}

  /** The state of an Envoy that is heard now. It has to be weighed then. */
  stateOf(node: string, address: string, nowMs: number): EnvoyState {
    let neighbours = this.#byAddress.get(address);
    if (neighbours === undefined) this.#byAddress.set(address, (neighbours = { byNode: new Map(), bytes: 0 }));
    const one = neighbours.byNode.get(node) ?? { address, node, state: new EnvoyState(nowMs), bytes: 0 };
    neighbours.byNode.delete(node);
    neighbours.byNode.set(node, one);
    this.#remembered.set(one.state, one);
    return one.state;
  }

  /** To be called where a state has heard something, or has been given something to say. */
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
