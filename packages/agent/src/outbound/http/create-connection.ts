import { currentContext, type LaneUnavailableError, type Redirect, type SettledVerdict, type Tag, type Verdict } from '@lane/core/model';
import { copyWith } from '../../patching/copy-with.js';
import { safely } from '../../patching/safely.js';
import type { Attempt } from '../connecting/connecting.js';
import { Learning, ROUTE, type Route } from '../connecting/routed-sockets.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';

/** Arguments of `createConnection`. */
export interface ConnectOptions {
  host?: string;
  port?: number | string;
  servername?: string;
  [ROUTE]?: Route;
}
type Connected = (error: Error | null, socket?: unknown) => void;
export type CreateConnection = (this: unknown, options: ConnectOptions, connected: Connected) => unknown;

/** Called with where a connection goes, once that is known. */
export type OnChosen = (options: ConnectOptions, tag: Tag | undefined, verdict: SettledVerdict) => void;

/** A `createConnection` that connects to the right instance for the current lane. */
export function toRightInstance(
  original: CreateConnection,
  tls: boolean,
  { router, connecting }: Pick<Outbound, 'router' | 'connecting'>,
  onChosen: OnChosen,
): CreateConnection {
  const tag = currentContext()?.tag;
  const judge = safely('http-create-connection destination', (options: ConnectOptions, waited: boolean): Verdict | undefined =>
    typeof options?.host === 'string' ? router.judge(options.host, Number(options.port), tag, waited) : undefined,
  );
  return function createConnection(this: unknown, options: ConnectOptions, connected: Connected): unknown {
    // An agent has been asked.
    if (options?.[ROUTE] !== undefined) return original.call(this, options, connected);
    const verdict = judge(options, false);
    if (verdict?.kind === 'wait') {
      // The app creates its socket at once, which then waits for the registry as it would for DNS.
      const settle = (): Attempt | LaneUnavailableError | undefined => {
        const later = settled(judge(options, true));
        onChosen(options, tag, later);
        if (later.kind === 'unavailable') return unavailableError(later);
        return later.kind === 'redirect' ? connecting.begin(later) : undefined;
      };
      const route = new Learning(options.host as string, Number(options.port), tag, verdict.until, settle);
      return original.call(this, copyWith(options, ROUTE, route), connected);
    }
    const now = settled(verdict);
    onChosen(options, tag, now);
    if (now.kind === 'unavailable') {
      connected(unavailableError(now));
      return undefined;
    }
    if (now.kind !== 'redirect') return original.call(this, options, connected);
    const changed = addressed(options, now, tls);
    changed[ROUTE] = connecting.begin(now);
    return original.call(this, changed, connected);
  };
}

function addressed(options: ConnectOptions, to: Redirect, tls: boolean): ConnectOptions {
  const { ip, port } = to.instance;
  const changed: ConnectOptions = { ...options, host: ip, port };
  // Called by name, TLS is verified against the name.
  if (tls && to.byName && (options.servername === undefined || options.servername === '')) changed.servername = options.host as string;
  return changed;
}
