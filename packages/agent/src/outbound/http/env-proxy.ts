/**
 * NODE_USE_ENV_PROXY and the `proxyEnv` of agents (Node 22.21, 24.5 and later). Node decides twice whether a call uses the proxy: as the
 * request is made, when its target becomes a URL, and as its agent connects. In between we may have changed its address, for which
 * NO_PROXY may differ, and request line and destination would disagree. So the first decision stands: a call through the proxy
 * goes as the app wrote it, and a direct call stays direct at any address. Calls to internal instances go directly.
 */
import http from 'node:http';
import { safely } from '../../patching/safely.js';
import { symbolNamed } from '../../patching/symbol-named.js';
import { wrap } from '../../patching/wrap.js';
import { leadsInside } from '../calls-inside.js';
import type { Outbound } from '../outbound.js';
import type { AddRequest } from './destination.js';
import { rememberLane } from './request-lane.js';

/** Of an agent: lib/internal/http.js of Node. */
interface ProxyConfig {
  shouldUseProxy(host: string, port: number | string | undefined): boolean;
}

const configs = new WeakMap<http.Agent, ProxyConfig | null>();

function configOf(agent: http.Agent & { readonly options?: { readonly proxyEnv?: unknown } }): ProxyConfig | null {
  // Node makes one only from this option.
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
/** Addresses of direct calls for which Node would use the proxy of this agent: other agents have other proxies. */
const direct = new WeakMap<ProxyConfig, Set<string>>();

function noteDirect(config: ProxyConfig, host: string | undefined, port: number | string | undefined): void {
  if (typeof host !== 'string' || !config.shouldUseProxy(host, port ?? 80)) return;
  let addresses = direct.get(config);
  if (addresses === undefined) direct.set(config, (addresses = new Set()));
  if (addresses.size >= MAX_DIRECT) addresses.clear();
  addresses.add(`${host}:${port}`);
}

/** From now on, calls to internal instances go directly: Node decides this before it asks an agent. */
export function keepInsideCallsDirect({ router }: Pick<Outbound, 'router'>): void {
  const staysInside = safely('http-client proxy', leadsInside);
  const shown = configOf(new http.Agent({ proxyEnv: { HTTP_PROXY: 'http://127.0.0.1' } } as http.AgentOptions));
  if (shown === null) return;
  wrap(Object.getPrototypeOf(shown) as object, 'shouldUseProxy', (decide: ProxyConfig['shouldUseProxy']) => {
    return function shouldUseProxy(this: ProxyConfig, host: string, port: number | string | undefined): boolean {
      if (direct.get(this)?.has(`${host}:${port}`) === true) return false;
      return Reflect.apply(decide, this, [host, port]) && staysInside(router, host, Number(port ?? 80)) !== true;
    };
  });
}

/** `make` returns the function that chooses an instance and calls the original. */
export function decideProxyOnce(original: AddRequest, make: (original: AddRequest) => AddRequest): AddRequest {
  const note = safely('http-client proxy', noteDirect);
  const routed = make(function addRequest(this: http.Agent, request, options, port, localAddress): void {
    const config = configOf(this);
    if (config !== null) note(config, options?.host, options?.port);
    original.call(this, request, options, port, localAddress);
  });
  const goesByProxy = safely('http-client proxy', (agent: http.Agent, options: Parameters<AddRequest>[1]): boolean => {
    const config = configOf(agent);
    if (config === null || typeof options?.host !== 'string') return false;
    return config.shouldUseProxy(options.host, options.port ?? 80);
  });
  return function addRequest(this: http.Agent, request, options, port, localAddress): void {
    if (configOf(this) === null || goesByProxy(this, options) !== true) {
      routed.call(this, request, options, port, localAddress);
      return;
    }
    rememberLane(request);
    original.call(this, request, options, port, localAddress);
  };
}
