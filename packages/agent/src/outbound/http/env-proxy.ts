/**
 * NODE_USE_ENV_PROXY and the `proxyEnv` of agents (Node 22.21, 24.5 and later). Node decides twice whether a call goes by the proxy: as the
 * request is made, when its target becomes a URL, and as its agent connects. In between we may have given it another address, for which
 * NO_PROXY says something else, and request line and destination would disagree. So the first decision stands: what goes by the proxy
 * goes as the app wrote it, and what goes directly goes directly wherever it goes.
 */
import type http from 'node:http';
import { safely } from '../../patching/safely.js';
import { symbolNamed } from '../../patching/symbol-named.js';
import { wrap } from '../../patching/wrap.js';
import type { Outbound } from '../outbound.js';
import type { AddRequest } from './destination.js';
import { rememberLane } from './request-lane.js';

/** Of an agent: lib/internal/http.js of Node. */
interface ProxyConfig {
  shouldUseProxy(host: string, port: number | string): boolean;
}

const configs = new WeakMap<http.Agent, ProxyConfig | null>();

function configOf(agent: http.Agent & { readonly options?: { readonly proxyEnv?: unknown } }): ProxyConfig | null {
  // Only of what this option says does Node make one.
  if (agent.options?.proxyEnv === undefined) return null;
  let config = configs.get(agent);
  if (config === undefined) {
    const found = symbolNamed(agent, 'kProxyConfig') as Partial<ProxyConfig> | null | undefined;
    config = typeof found?.shouldUseProxy === 'function' ? (found as ProxyConfig) : null;
    configs.set(agent, config);
  }
  return config;
}

const MAX_DIRECT = 1000;
/** Addresses that calls have been given which go directly. */
const direct = new Set<string>();

/** `make` gives what chooses an instance and passes on to the original. */
export function decideProxyOnce(original: AddRequest, { router }: Pick<Outbound, 'router'>, make: (original: AddRequest) => AddRequest): AddRequest {
  const routed = make(function addRequest(this: http.Agent, request, options, port, localAddress): void {
    if (configOf(this) !== null) {
      if (direct.size >= MAX_DIRECT) direct.clear();
      direct.add(`${options.host}:${options.port}`);
    }
    original.call(this, request, options, port, localAddress);
  });
  const goesByProxy = safely('http-client proxy', (agent: http.Agent, options: Parameters<AddRequest>[1]): boolean => {
    const config = configOf(agent);
    if (config === null || typeof options?.host !== 'string') return false;
    wrap(Object.getPrototypeOf(config) as object, 'shouldUseProxy', (decide: ProxyConfig['shouldUseProxy']) => {
      return function shouldUseProxy(this: unknown, host: string, port: number | string): boolean {
        return direct.has(`${host}:${port}`) ? false : Reflect.apply(decide, this, [host, port]);
      };
    });
    return config.shouldUseProxy(options.host, options.port ?? 80);
  });
  return function addRequest(this: http.Agent, request, options, port, localAddress): void {
    if (router.isEmpty || configOf(this) === null || goesByProxy(this, options) !== true) {
      routed.call(this, request, options, port, localAddress);
      return;
    }
    rememberLane(request);
    original.call(this, request, options, port, localAddress);
  };
}
