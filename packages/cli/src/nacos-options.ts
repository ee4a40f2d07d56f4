/** Options that every command has which speaks to Nacos. */
import { Option, type Command } from 'commander';
import { SILENT_LOG } from '@lane/core/model';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { CliError } from './cli-error.js';
import { TERMINAL_LOG } from './terminal.js';

/** Where Nacos is, as given. */
export interface NacosArguments {
  nacos: string;
  namespace?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  /** Nacos's grouping of services. */
  nacosGroup?: string;
  nacosTransport?: 'http' | 'grpc' | 'auto';
}

/** Adds the options of {@link NacosArguments}, which are those of the agent's variables, too. */
export function withNacosOptions(command: Command): Command {
  return command
    .addOption(new Option('--nacos <host:port>', 'where Nacos is').env('LANE_NACOS_SERVER').default('127.0.0.1:8848'))
    .addOption(new Option('--namespace <id>', 'namespace in Nacos').env('LANE_NACOS_NAMESPACE'))
    .addOption(new Option('--nacos-username <name>', 'user of Nacos').env('LANE_NACOS_USERNAME'))
    .addOption(new Option('--nacos-password <password>', 'password of Nacos').env('LANE_NACOS_PASSWORD'))
    .addOption(new Option('--nacos-group <name>', 'group of the services in Nacos').env('LANE_NACOS_GROUP').default('DEFAULT_GROUP'))
    .addOption(new Option('--nacos-transport <name>', 'transport to Nacos').env('LANE_NACOS_TRANSPORT').choices(['http', 'grpc', 'auto']));
}

/** Makes the connection that these options ask for. With `holdProcess` an answer is waited for. */
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

/** Makes the connection for one piece of work. What fails is told by the error, and not a second time by the log. */
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
 * Rejects where Nacos has no namespace as given: it takes documents for one that does not exist, and shows them to nobody. Where Nacos does not tell
 * its namespaces, or is away, all is well.
 */
export async function expectNamespace(connection: NacosConnection, { namespace: given }: Pick<NacosArguments, 'namespace'>): Promise<void> {
  if (given === undefined) return;
  const { namespace } = connection;
  // The connection of a command that runs on does not hold the process, and nothing else does yet.
  const held = setInterval(() => {}, 60_000);
  const known = await connection.namespaces().catch(() => undefined);
  clearInterval(held);
  if (known === undefined || known.some(({ id, madeOnUse }) => id === namespace || madeOnUse === true)) return;
  const named = known.find(({ name }) => name === namespace);
  throw new CliError(
    named === undefined
      ? `Nacos at ${connection.server} has no namespace ${namespace}: there are ${known.map(({ id, name }) => (id === name ? id : `${id} (${name})`)).join(', ')}`
      : `${namespace} is the name of a namespace of Nacos, and its id is wanted: set LANE_NACOS_NAMESPACE=${named.id}`,
    'ELANE_NO_NAMESPACE',
  );
}
