/** Options that every command has which speaks to Nacos. */
import { Option, type Command } from 'commander';
import { SILENT_LOG } from '@lane/core/model';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { TERMINAL_LOG } from './terminal.js';

/** Where Nacos is, as given. */
export interface NacosArguments {
  nacos: string;
  namespace?: string;
  nacosUsername?: string;
  nacosPassword?: string;
  /** Nacos's grouping of services. */
  nacosGroup?: string;
  nacosTransport?: 'http' | 'grpc';
}

/** Adds the options of {@link NacosArguments}, which are those of the agent's variables, too. */
export function withNacosOptions(command: Command): Command {
  return command
    .addOption(new Option('--nacos <host:port>', 'where Nacos is').env('LANE_NACOS_SERVER').default('127.0.0.1:8848'))
    .addOption(new Option('--namespace <id>', 'namespace in Nacos').env('LANE_NACOS_NAMESPACE'))
    .addOption(new Option('--nacos-username <name>', 'user of Nacos').env('LANE_NACOS_USERNAME'))
    .addOption(new Option('--nacos-password <password>', 'password of Nacos').env('LANE_NACOS_PASSWORD'))
    .addOption(new Option('--nacos-group <name>', 'group of the services in Nacos').env('LANE_NACOS_GROUP').default('DEFAULT_GROUP'))
    .addOption(new Option('--nacos-transport <name>', 'how to speak with Nacos').env('LANE_NACOS_TRANSPORT').choices(['http', 'grpc']));
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
    return await work(connection);
  } finally {
    await connection.close();
  }
}
