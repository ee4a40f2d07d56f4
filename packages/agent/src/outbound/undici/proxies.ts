/**
 * Dispatchers that send requests by a forward proxy. Whether a call goes by one is decided by what the app has called (NO_PROXY has names), and
 * the proxy is told that, too: an instance's address may be out of its reach, and what is to be asked directly would be asked by the proxy.
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

/** The way that a dispatcher of undici sends its requests. */
export function wayOf(dispatcher: object): Way {
  let way = ways.get(dispatcher);
  if (way === undefined) {
    way = look(dispatcher);
    ways.set(dispatcher, way);
  }
  return way;
}

/** By what undici 6 to 8 keep in their lib/dispatcher/env-http-proxy-agent.js and socks5-proxy-agent.js. */
function look(dispatcher: object): Way {
  const proxyAgents = ['http proxy agent', 'https proxy agent'].map((description) => symbolNamed(dispatcher, description)).filter(isObject);
  proxyAgents.forEach(noteProxyAgent);
  if (proxyAgents.length > 0) return 'chooses';
  return symbolNamed(dispatcher, 'proxy url') === undefined ? 'direct' : 'proxy';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
