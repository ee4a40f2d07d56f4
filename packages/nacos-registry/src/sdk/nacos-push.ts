/**
 * Handles Nacos's UDP pushes for `nacos` 2.x, instead of its own `PushReceiver._handlePushMessage` (nacos-naming,
 * `lib/naming/push_receiver.js`; the same in 2.0.0 to 2.6.3). The original believes the list in any packet, whoever sent it,
 * and answers `dump` with everything it knows.
 *
 * Mechanism: a push of a known server is a hint, at which the SDK asks that server itself; packets of others are neither read nor answered.
 * Limits: the SDK's port stays open on all interfaces. A server whose pushes come from an address that its name does not have, such as
 * behind a load balancer, is only polled, every 10 s.
 */
import { wrap } from '@lane/core/agent';
import { HintPacer } from '../http/hint-pacer.js';
import { KnownServers } from '../http/known-servers.js';
import { PushReader } from '../http/push-reader.js';
import { parseServers } from '../server-address.js';
import { outsideLane } from './adapter.js';
import type { LaneNaming } from './lane-naming.js';

const HOOK = 'nacos push';

interface Sender {
  readonly address: string;
  readonly port: number;
}

interface Receiver {
  readonly _handlePushMessage: unknown;
  readonly _server?: { send(text: string, port: number, address: string, done: () => void): void } | null;
}

interface CacheEntry {
  readonly name: string;
  readonly clusters?: string;
}

/** The part of the SDK's `HostReactor` that we use, if present. */
interface Reactor {
  /** By cache key. */
  readonly _serviceInfoMap: Map<string, CacheEntry>;
  /** Cache keys that are being asked for the first time. */
  readonly _updatingSet: Set<string>;
  /** Cache keys that are polled. */
  readonly _futureMap: Map<string, unknown>;
  readonly _pushReceiver: Receiver;
  /** Asks the server, and takes its answer. Emits `error` on failure. */
  updateServiceNow(name: string, clusters: string): Promise<unknown>;
}

/**
 * Turns pushes to a client's reactor into hints. Removes earlier pushed lists from its cache. `servers` returns the client's servers as a
 * comma-separated list; undefined: not known (yet). Leaves an unknown kind of reactor alone.
 */
export function hearPushes(lanes: LaneNaming, reactor: object, servers: () => string | undefined): void {
  if (!isReactor(reactor)) return;
  const { _pushReceiver: receiver, _serviceInfoMap: cache } = reactor;
  const known = new KnownServers(() => hostsOf(servers()));
  const reader = new PushReader();
  const pacer = new HintPacer<string>(
    (id) => ask(reactor, id),
    () => cache.keys(),
  );
  let metStranger = false;

  const receive = (packet: Buffer, { address, port }: Sender): void => {
    if (!known.has(address)) {
      if (!metStranger) lanes.warnOnce(strangeOf(address, servers()));
      metStranger = true;
      return;
    }
    const hint = reader.read(packet);
    if (hint === undefined) return;
    if (hint.acknowledgement !== undefined) receiver._server?.send(hint.acknowledgement, port, address, ignore);
    const { service } = hint;
    if (service === undefined) return pacer.hintAll();
    const id = service.clusters === '' ? service.name : `${service.name}@@${service.clusters}`;
    if (cache.has(id)) pacer.hint(id);
  };
  // The SDK's socket reads this at each packet.
  wrap(receiver, '_handlePushMessage', () => {
    return function hearPush(packet: Buffer, sender: Sender): void {
      outsideLane(() => lanes.attempt(HOOK, () => receive(packet, sender)), undefined, []);
    };
  });

  forgetUnasked(reactor);
  // Lists of requested services may have come by a push, too.
  if (cache.size > 0) outsideLane(() => pacer.hintAll(), undefined, []);
}

function isReactor(value: object): value is Reactor {
  const { _serviceInfoMap, _updatingSet, _futureMap, _pushReceiver, updateServiceNow } = value as Partial<Reactor>;
  return (
    _serviceInfoMap instanceof Map &&
    _updatingSet instanceof Set &&
    _futureMap instanceof Map &&
    typeof _pushReceiver?._handlePushMessage === 'function' &&
    typeof updateServiceNow === 'function'
  );
}

/** Entries that nobody requested can only come from a push: the SDK would answer the first request from them. */
function forgetUnasked({ _serviceInfoMap: cache, _updatingSet: asking, _futureMap: polled }: Reactor): void {
  for (const id of cache.keys()) if (!asking.has(id) && !polled.has(id)) cache.delete(id);
}

/** Never rejects. */
async function ask(reactor: Reactor, id: string): Promise<void> {
  // Gone: the client was closed meanwhile.
  const entry = reactor._serviceInfoMap.get(id);
  if (entry === undefined) return;
  try {
    await reactor.updateServiceNow(entry.name, entry.clusters ?? '');
  } catch {
    // An `error` listener of the app's has thrown; that event has already reported what went wrong.
  }
}

/** Names and addresses of servers; none if they can't be read. */
function hostsOf(servers: string | undefined): string[] {
  try {
    return parseServers(servers ?? '').map(({ host }) => host);
  } catch {
    return [];
  }
}

function strangeOf(address: string, servers: string | undefined): string {
  return `a push of Nacos to the app's own client came from ${address}, which is not an address of its servers (${servers ?? 'none known'}), and was ignored: changes arrive by polling only, within 10 s. If that is a server behind a load balancer, give the client the servers themselves, as a list or a name that resolves to all of them`;
}

function ignore(): void {}
