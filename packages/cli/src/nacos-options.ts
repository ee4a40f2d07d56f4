/** Options that every command has which speaks to Nacos. */
import { Option, type Command } from 'commander';
import { connectNacos, type NacosConnection } from '@lane/nacos-registry';
import { TERMINAL_LOG } from './terminal.js';

/** Where Nacos is, as given. */
export interface NacosArguments {
  nacos: string;
  namespace?: string;
  nacosUsername?: string;
  nacosPassword?: string;
}

/** Adds the options of {@link NacosArguments}, which are those of the agent's variables, too. */
export function withNacosOptions(command: Command): Command {
  return command
    .addOption(new Option('--nacos <host:port>', 'where Nacos is').env('LANE_NACOS_SERVER').default('127.0.0.1:8848'))
    .addOption(new Option('--namespace <id>', 'namespace in Nacos').env('LANE_NACOS_NAMESPACE'))
    .addOption(new Option('--nacos-username <name>', 'user of Nacos').env('LANE_NACOS_USERNAME'))
    .addOption(new Option('--nacos-password <password>', 'password of Nacos').env('LANE_NACOS_PASSWORD'));
}

/** Makes the connection that these options ask for. */
export function connectAsAsked({ nacos, namespace, nacosUsername, nacosPassword }: NacosArguments): NacosConnection {
  return connectNacos({ server: nacos, namespace, username: nacosUsername, password: nacosPassword, log: TERMINAL_LOG });
}
