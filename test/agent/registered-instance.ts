import type { NacosConnection } from '@lane/nacos-registry';
import { freePort } from '@lane/testing/ports';
import { startApp, type App } from './run-app.js';

/** The services of instance.cjs. */
const SERVICES = ['stock', 'stock-h2', 'shop-b', 'stock-rpc'] as const;

/** By name: ports that nobody else gets while the instance is dead. Otherwise calls to it would reach a server of another test, or it could not restart there. */
const portsOf = new Map<string, Record<string, number>>();

async function reservePorts(name: string): Promise<Record<string, number>> {
  const ports = portsOf.get(name) ?? {};
  portsOf.set(name, ports);
  for (const service of SERVICES) ports[service] ??= await freePort();
  return ports;
}

/**
 * Starts an instance that answers with its name, always on the same ports, and registers it for each service. It does not register itself, so it stays
 * registered when it dies.
 */
export async function startRegisteredInstance(
  registrar: NacosConnection,
  services: readonly string[],
  name: string,
  metadata: Readonly<Record<string, string>>,
): Promise<App> {
  const env = { PORTS: JSON.stringify(await reservePorts(name)) };
  const instance = await startApp({ script: 'instance.cjs', args: [name], load: 'none', env });
  for (const service of services)
    await registrar.register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: instance.ports[service] as number, metadata });
  return instance;
}
