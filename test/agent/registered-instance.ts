import type { NacosConnection } from '@lane/nacos-registry';
import { startApp, type App } from './run-app.js';

/** Starts an instance that answers with its name, and registers it for each service. It does not register itself, so it stays registered when it dies. */
export async function startRegisteredInstance(
  registrar: NacosConnection,
  services: readonly string[],
  name: string,
  metadata: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<App> {
  const instance = await startApp({ script: 'instance.cjs', args: [name], load: 'none', env });
  for (const service of services)
    await registrar.register({ name: service, group: 'DEFAULT_GROUP' }, { ip: '127.0.0.1', port: instance.ports[service] as number, metadata });
  return instance;
}
