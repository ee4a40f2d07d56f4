/** Where a dispatch goes as the app has it. */
import { currentContext, type LaneContext } from '@lane/core/model';
import { symbolNamed } from '../../patching/symbol-named.js';
import { wayOf } from './proxies.js';
import { MARK, type Dispatcher, type DispatchOptions, type Origin } from './types.js';

export interface Target {
  readonly context: LaneContext | undefined;
  /** The dispatcher is a Pool or Client: its origin can't be changed, only another dispatcher taken. */
  readonly fixed: boolean;
  /** undefined: nobody knows yet, or whoever it is passed on to decides. */
  readonly origin: Origin | undefined;
  /** A forward proxy leads it there. */
  readonly byProxy: boolean;
}

/** Tells the target of a dispatch; origins are parsed only once. */
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
 * Whether a dispatcher that a dispatch has been passed on to goes elsewhere than was decided: what passed it on does not look at the
 * origin (BalancedPool, a Pool or an Agent with a `factory`, a dispatcher of the app's own).
 */
export function leadsElsewhere(dispatcher: Dispatcher, decided: Origin): boolean {
  const fixed = fixedOrigin(dispatcher);
  return fixed !== undefined && fixed !== decided && (fixed.host !== decided.host || fixed.port !== decided.port);
}

const MAX_REMEMBERED_ORIGINS = 500;
const remembered = new Map<string, Origin>();

/** Parses an origin; undefined where there is none. Throws where it is no URL. */
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

/** The origin of a Pool or Client, or whoever else has a single one; undefined for an Agent. */
function fixedOrigin(dispatcher: object): Origin | undefined {
  let origin = fixedOrigins.get(dispatcher);
  if (origin === undefined) {
    origin = originOf(symbolNamed(dispatcher, 'url') as URL | undefined) ?? null;
    fixedOrigins.set(dispatcher, origin);
  }
  return origin ?? undefined;
}
