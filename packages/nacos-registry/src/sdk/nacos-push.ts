/**
 * What `nacos` 2.x makes of Nacos's UDP pushes, in the place of its own `PushReceiver._handlePushMessage` (nacos-naming,
 * `lib/naming/push_receiver.js`; the same in 2.0.0 to 2.6.3). That one takes the list in a packet for the truth, whoever sent it,
 * and answers `dump` with all it knows.
 *
 * Mechanism: a push of a known server is a hint, upon which the SDK asks that server itself; nobody else is heard or answered.
 * Limits: the SDK's port stays open on all interfaces. A server whose pushes come from an address that is none of its name's, as
 * behind a load balancer, is polled only, every 10 s.
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

/** What of the SDK's `HostReactor` is used, where it is there. */
interface Reactor {
  /** By cache key. */
  readonly _serviceInfoMap: Map<string, CacheEntry>;
  /** Cache keys that are being asked for the first time. */
  readonly _updatingSet: Set<string>;
  /** Cache keys that are polled. */
  readonly _futureMap: Map<string, unknown>;
  readonly _pushReceiver: Receiver;
  /** Asks the server, and takes its answer. Says by an event `error` where that fails. */
  updateServiceNow(name: string, clusters: string): Promise<unknown>;
}

/**
 * Makes pushes to a client's reactor hints. What has been pushed before the client was met goes out of its cache.
 * `servers` gives the servers that the client has, as a comma list; undefined: not known (yet). A reactor of another make is left alone.
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
  // The SDK's socket looks this up at each packet.
  wrap(receiver, '_handlePushMessage', () => {
    return function hearPush(packet: Buffer, sender: Sender): void {
      outsideLane(() => lanes.attempt(HOOK, () => receive(packet, sender)), undefined, []);
    };
  });

  forgetUnasked(reactor);
  // Of what was asked for, too, a list may have come by a push.
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

/** What nobody has asked for can only have come by a push: the SDK would answer the first question from it. */
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
    // A listener of the app's for the reactor's `error` has thrown; what went wrong has been said by that event.
  }
}

/** Names and addresses of servers; none where they can't be read. */
function hostsOf(servers: string | undefined): string[] {
  try {
    return parseServers(servers ?? '').map(({ host }) => host);
  } catch {
    return [];
  }
}

function strangeOf(address: string, servers: string | undefined): string {
  return `a push of Nacos to the app's own client came from ${address}, which is no address of its servers (${servers ?? 'none known'}), and such are ignored: without them changes are seen by polling, within 10 s. If that is a server behind a load balancer, give the client the servers themselves, as a list or a name that has all their addresses`;
}

function ignore(): void {}
