import { currentContext, type Redirect, type SettledVerdict, type Tag, type Verdict } from '@lane/core/model';
import { safely } from '../../patching/safely.js';
import { settled, unavailableError, type Outbound } from '../outbound.js';

/** What `createConnection` is given. */
export interface ConnectOptions {
  host?: string;
  port?: number | string;
  servername?: string;
}
type Connected = (error: Error | null, socket?: unknown) => void;
export type CreateConnection = (this: unknown, options: ConnectOptions, connected: Connected) => unknown;

/** Told where a connection goes, once that is known. */
export type OnChosen = (options: ConnectOptions, tag: Tag | undefined, verdict: SettledVerdict) => void;

/** A `createConnection` that connects to the right instance for the lane at hand. */
export function toRightInstance(
  original: CreateConnection,
  tls: boolean,
  { router }: Pick<Outbound, 'router'>,
  onChosen: OnChosen,
): CreateConnection {
  const tag = currentContext()?.tag;
  const judge = safely('http-create-connection destination', (options: ConnectOptions, waited: boolean): Verdict | undefined =>
    typeof options?.host === 'string' ? router.judge(options.host, Number(options.port), tag, waited) : undefined,
  );
  return function createConnection(this: unknown, options: ConnectOptions, connected: Connected): unknown {
    const go = (verdict: SettledVerdict): unknown => {
      onChosen(options, tag, verdict);
      if (verdict.kind === 'unavailable') {
        connected(unavailableError(verdict));
        return undefined;
      }
      return original.call(this, verdict.kind === 'redirect' ? addressed(options, verdict, tls) : options, connected);
    };
    const verdict = judge(options, false);
    if (verdict?.kind !== 'wait') return go(settled(verdict));
    const resume = (): void => {
      try {
        const socket = go(settled(judge(options, true)));
        if (socket !== undefined && socket !== null) connected(null, socket);
      } catch (error) {
        connected(error as Error);
      }
    };
    void verdict.until.then(resume, resume);
    return undefined;
  };
}

function addressed(options: ConnectOptions, to: Redirect, tls: boolean): ConnectOptions {
  const { ip, port } = to.instance;
  const changed = { ...options, host: ip, port };
  // Called by name, TLS is verified against the name.
  if (tls && to.byName && (options.servername === undefined || options.servername === '')) changed.servername = options.host as string;
  return changed;
}
