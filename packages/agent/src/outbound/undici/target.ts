/** Where a dispatch goes as the app has it. */
import { currentContext, type LaneContext } from '@lane/core/model';
import { symbolNamed } from '../../patching/symbol-named.js';
import { MARK, type Dispatcher, type DispatchOptions } from './types.js';

interface Origin {
  readonly protocol: string;
  readonly host: string;
  readonly port: number;
  /** As it stands in a Host header. */
  readonly authority: string;
}

export interface Target {
  readonly context: LaneContext | undefined;
  /** The dispatcher is a Pool or Client: its origin can't be changed, only another dispatcher taken. */
  readonly fixed: boolean;
  readonly origin: Origin | undefined;
}

/** Tells the target of a dispatch; origins are parsed only once. */
export function createTargetReader(): (dispatcher: Dispatcher, options: DispatchOptions) => Target | undefined {
  const originOf = createOriginReader();
  return (dispatcher, options) => {
    if (options === null || typeof options !== 'object') return undefined;
    const fixed = fixedOrigin(dispatcher);
    const mark = options[MARK];
    return { context: mark === undefined ? currentContext() : mark.context, fixed: fixed !== undefined, origin: originOf(fixed ?? options.origin) };
  };
}

const MAX_REMEMBERED_ORIGINS = 500;

function createOriginReader(): (origin: string | URL | undefined) => Origin | undefined {
  const remembered = new Map<string, Origin>();
  return (origin) => {
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
  };
}

const fixedOrigins = new WeakMap<object, URL | null>();

/** The origin of a Pool or Client; undefined for an Agent. */
function fixedOrigin(dispatcher: object): URL | undefined {
  let origin = fixedOrigins.get(dispatcher);
  if (origin === undefined) {
    origin = (symbolNamed(dispatcher, 'url') as URL | undefined) ?? null;
    fixedOrigins.set(dispatcher, origin);
  }
  return origin ?? undefined;
}
