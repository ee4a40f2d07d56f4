/** Options of every command that connects to Nacos. */
import { Option, type Command } from 'commander';
import { SILENT_LOG } from '@lane/core/model';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { CliError } from './cli-error.js';
import { TERMINAL_LOG } from './terminal.js';

/** The options as given. */
export interface NacosArguments {
  nacos: string;
  namespace?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  /** Nacos's grouping of services. */
  nacosGroup?: string;
  nacosTransport?: 'http' | 'grpc' | 'auto';
}

/** Adds the options of {@link NacosArguments}, which default to the agent's variables. */
export function withNacosOptions(command: Command): Command {
  return command
    .addOption(new Option('--nacos <host:port>', 'address of Nacos').env('LANE_NACOS_SERVER').default('127.0.0.1:8848'))
    .addOption(new Option('--namespace <id>', 'namespace in Nacos').env('LANE_NACOS_NAMESPACE'))
    .addOption(new Option('--nacos-username <name>', 'user of Nacos').env('LANE_NACOS_USERNAME'))
    .addOption(new Option('--nacos-password <password>', 'password of Nacos').env('LANE_NACOS_PASSWORD'))
    .addOption(new Option('--nacos-group <name>', 'group of the services in Nacos').env('LANE_NACOS_GROUP').default('DEFAULT_GROUP'))
    .addOption(new Option('--nacos-transport <name>', 'transport to Nacos').env('LANE_NACOS_TRANSPORT').choices(['http', 'grpc', 'auto']));
}

/** Opens a connection. `holdProcess`: keeps the process alive until there is an answer. */
export function connectAsAsked(given: NacosArguments, holdProcess = false): NacosConnection {
  const { nacos, namespace, nacosUsername, nacosPassword, nacosGroup, nacosTransport } = given;
  return connectNacos({
    server: nacos,
    namespace,
    username: nacosUsername,
    password: nacosPassword,
    group: nacosGroup,
    transport: nacosTransport,
    log: holdProcess ? SILENT_LOG : TERMINAL_LOG,
    holdProcess,
  });
}

/** Opens a connection for one piece of work. Failures are thrown, not logged as well. */
export async function withNacos<T>(given: NacosArguments, work: (connection: NacosConnection) => Promise<T>): Promise<T> {
  const connection = connectAsAsked(given, true);
  try {
    await expectNamespace(connection, given);
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/**
 * Rejects if Nacos lacks the given namespace: it accepts documents for one that does not exist, and shows them to nobody. Passes if Nacos does not
 * list its namespaces or can't be reached.
 */
export async function expectNamespace(connection: NacosConnection, { namespace: given }: Pick<NacosArguments, 'namespace'>): Promise<void> {
  if (given === undefined) return;
  const { namespace } = connection;
  // A long-running command's connection does not keep the process alive, and nothing else does yet.
  const held = setInterval(() => {}, 60_000);
  const known = await connection.namespaces().catch(() => undefined);
  clearInterval(held);
  if (known === undefined || known.some(({ id, madeOnUse }) => id === namespace || madeOnUse === true)) return;
  const named = known.find(({ name }) => name === namespace);
  throw new CliError(
    named === undefined
      ? `Nacos at ${connection.server} has no namespace ${namespace}: there are ${known.map(({ id, name }) => (id === name ? id : `${id} (${name})`)).join(', ')}`
      : `${namespace} is the name of a namespace of Nacos, not its id: set LANE_NACOS_NAMESPACE=${named.id}`,
    'ELANE_NO_NAMESPACE',
  );
}
