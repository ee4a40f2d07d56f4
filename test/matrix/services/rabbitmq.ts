import { execFileSync } from 'node:child_process';
import { freePort } from '@lane/testing/ports';
import { dataFolder, programOf, startService, type Service } from '../../servers/process.js';

/** Starts RabbitMQ; user and password are `guest`. */
export async function startRabbitmq(): Promise<Service> {
  const program = programOf('rabbitmq-server', ['/usr/lib/rabbitmq/bin/rabbitmq-server']);
  const folder = dataFolder('rabbitmq');
  const [port, distribution, names] = [await freePort(), await freePort(), await freePort()];
  const env = {
    HOME: folder,
    ERL_EPMD_PORT: String(names),
    RABBITMQ_NODENAME: `lane${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: folder,
    RABBITMQ_LOG_BASE: folder,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/plugins`,
  };
  const service = await startService(program, [], /completed with \d+ plugins|Server startup complete/, port, folder, env);
  return {
    port,
    async stop() {
      await service.stop();
      // The name daemon (epmd) outlives its broker.
      execFileSync('epmd', ['-kill'], { env: { ...process.env, ...env }, stdio: 'ignore' });
    },
  };
}
