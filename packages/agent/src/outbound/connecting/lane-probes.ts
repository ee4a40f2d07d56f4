/**
 * Checks whether a lane accepts connections again after all of its instances refused and base took over. Nobody announces an instance that
 * restarted at its address before the registry noticed, and no call finds out, because base answers. The result of these sockets is noted
 * like that of all others (routed-sockets.ts).
 */
import net from 'node:net';
import { route, serviceIdOf, type Instance, type ServiceKey, type ServiceTables } from '@lane/core/model';
import { safely } from '../../patching/safely.js';

/** How often; base serves a lane that is back for at most this much longer. */
export const PROBE_MS = 1_000;
/** How many instances of a lane are checked each time. */
const MAX_PROBES = 3;

/** Checks lanes whose instances have all refused, as long as there are any. */
export class LaneProbes {
  readonly #tables: Pick<ServiceTables, 'get'>;
  readonly #probe: (instance: Instance) => void;
  readonly #services = new Map<string, ServiceKey>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tables: Pick<ServiceTables, 'get'>, probe: (instance: Instance) => void = connectAndLeave) {
    this.#tables = tables;
    this.#probe = probe;
  }

  /** An instance of the service refused a connection. */
  watch(service: ServiceKey): void {
    const id = serviceIdOf(service);
    if (this.#services.has(id) || this.#lost(service).length === 0) return;
    this.#services.set(id, service);
    // One that refused earlier may be back.
    setImmediate(this.#look).unref();
    this.#timer ??= setInterval(this.#look, PROBE_MS).unref();
  }

  readonly #look = safely('lane probes', (): void => {
    for (const [id, service] of Array.from(this.#services)) {
      const lost = this.#lost(service);
      if (lost.length === 0) this.#services.delete(id);
      for (const instance of lost) this.#probe(instance);
    }
    if (this.#services.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  });

  #lost(service: ServiceKey): Instance[] {
    const index = this.#tables.get(service)?.index;
    const lost: Instance[] = [];
    for (const [tag, { instances }] of index?.refused ?? [])
      if (index !== undefined && tag !== undefined && route(index, tag).reason === 'fell-back-to-base') lost.push(...instances.slice(0, MAX_PROBES));
    return lost;
  }
}

function connectAndLeave({ ip, port }: Instance): void {
  const socket = net.connect({ host: ip, port }, () => socket.destroy());
  socket.on('error', () => {});
  socket.setTimeout(PROBE_MS, () => socket.destroy());
  socket.unref();
}
