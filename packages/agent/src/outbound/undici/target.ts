/** Where the app sends a dispatch. */
import { currentContext, type LaneContext } from '@lane/core/model';
import { symbolNamed } from '../../patching/symbol-named.js';
import { wayOf } from './proxies.js';
import { MARK, type Dispatcher, type DispatchOptions, type Origin } from './types.js';

export interface Target {
  readonly context: LaneContext | undefined;
  /** The dispatcher is a Pool or Client: its origin can't be changed, only the dispatcher replaced. */
  readonly fixed: boolean;
  /** undefined: not known yet, or a later dispatcher decides. */
  readonly origin: Origin | undefined;
  /** It goes through a forward proxy. */
  readonly byProxy: boolean;
}

/** Returns the target of a dispatch; parses origins only once. */
export function createTargetReader(): (dispatcher: Dispatcher, options: DispatchOptions) => Target | undefined {
  return (dispatcher, options) => {
    if (options === null || typeof options !== 'object') return undefined;
    const fixed = fixedOrigin(dispatcher);
    const mark = options[MARK];
    const way = wayOf(dispatcher);
    return {
      context: mark === undefined ? currentContext() : mark.context,
      fixed: fixed !== undefined,
      origin: fixed ?? (way === 'chooses' ? undefined : originOf(options.origin)),
      byProxy: way === 'proxy',
    };
  };
}

/**
 * Whether a later dispatcher of a dispatch goes elsewhere than decided, because the one before ignores the
 * origin (BalancedPool, a Pool or an Agent with a `factory`, the app's own dispatcher).
 */
export function leadsElsewhere(dispatcher: Dispatcher, decided: Origin): boolean {
  const fixed = fixedOrigin(dispatcher);
  return fixed !== undefined && fixed !== decided && (fixed.host !== decided.host || fixed.port !== decided.port);
}

const MAX_REMEMBERED_ORIGINS = 500;
const remembered = new Map<string, Origin>();

/** Parses an origin; undefined if there is none. Throws if it is not a URL. */
export function originOf(origin: string | URL | undefined): Origin | undefined {
  if (origin === undefined || origin === null) return undefined;
  const text = typeof origin === 'string' ? origin : origin.origin;
  let parsed = remembered.get(text);
  if (parsed === undefined) {
    const url = new URL(text);
    const { protocol } = url;
    const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
    parsed = { protocol, host, port: url.port === '' ? (protocol === 'https:' ? 443 : 80) : Number(url.port), authority: url.host };
    if (remembered.size < MAX_REMEMBERED_ORIGINS) remembered.set(text, parsed);
  }
  return parsed;
}

const fixedOrigins = new WeakMap<object, Origin | null>();

/** The origin of a Pool, a Client or another dispatcher with a single one; undefined for an Agent. */
function fixedOrigin(dispatcher: object): Origin | undefined {
  let origin = fixedOrigins.get(dispatcher);
  if (origin === undefined) {
    origin = originOf(symbolNamed(dispatcher, 'url') as URL | undefined) ?? null;
    fixedOrigins.set(dispatcher, origin);
  }
  return origin ?? undefined;
}
