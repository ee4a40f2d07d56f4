/**
 * Dispatchers that send requests through a forward proxy. The host that the app called decides whether a call uses one (NO_PROXY has names), and
 * the proxy gets that host, too: it may not reach an instance's address, and direct calls would go through it.
 * If the dispatcher chooses by the environment, a call to an internal instance goes directly.
 */
import { symbolNamed } from '../../patching/symbol-named.js';

/** `chooses`: an EnvHttpProxyAgent, which passes a request on to an Agent, or to a ProxyAgent. */
type Way = 'direct' | 'proxy' | 'chooses';

const ways = new WeakMap<object, Way>();

/** A ProxyAgent dispatches; it does so by an Agent of its own (undici 5 to 8, lib/dispatcher/proxy-agent.js). */
export function noteProxyAgent(proxyAgent: object): void {
  const agent = symbolNamed(proxyAgent, 'proxy agent');
  if (isObject(agent)) ways.set(agent, 'proxy');
}

/** How an undici dispatcher sends its requests. */
export function wayOf(dispatcher: object): Way {
  let way = ways.get(dispatcher);
  if (way === undefined) {
    way = look(dispatcher);
    ways.set(dispatcher, way);
  }
  return way;
}

/** Recognized by fields that undici 6 to 8 keep in their lib/dispatcher/env-http-proxy-agent.js and socks5-proxy-agent.js. */
function look(dispatcher: object): Way {
  const proxyAgents = ['http proxy agent', 'https proxy agent'].map((description) => symbolNamed(dispatcher, description)).filter(isObject);
  proxyAgents.forEach(noteProxyAgent);
  if (proxyAgents.length > 0) return 'chooses';
  return symbolNamed(dispatcher, 'proxy url') === undefined ? 'direct' : 'proxy';
}

/** The direct dispatcher of one that chooses; undefined: it does not choose, or has none. */
export function directOf(dispatcher: object): object | undefined {
  if (wayOf(dispatcher) !== 'chooses') return undefined;
  const found = symbolNamed(dispatcher, 'no proxy agent');
  return isObject(found) ? found : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
