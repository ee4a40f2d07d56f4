import { Command, InvalidArgumentError, Option } from 'commander';
import { watchLaneGroups } from '@lane/nacos-registry';
import { startGateway, type GatewayRoute } from '@lane/gateway';
import { parsePort, parseTrust } from '../arguments.js';
import { connectAsAsked, withNacosOptions, type NacosArguments } from '../nacos-options.js';
import { announce, TERMINAL_LOG, untilAskedToStop } from '../terminal.js';

/** `lane gateway`. */
export function gatewayCommand(): Command {
  return withNacosOptions(new Command('gateway'))
    .description('start the entry gateway')
    .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8000)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .addOption(
      new Option('--entry <mode>', 'hosts: routes say which lane serves; rules: entry rules of the lane groups do')
        .choices(['hosts', 'rules'])
        .default('hosts'),
    )
    .requiredOption('--route <host[/path]=service[:tag]>', 'where requests go; may be given several times', parseRoute)
    .option('--trust <cidrs>', 'peers whose own lane headers are believed: none, all, or a comma list of CIDRs', parseTrust, 'none')
    .action(gateway);
}

interface GatewayArguments extends NacosArguments {
  port: number;
  host: string;
  entry: 'hosts' | 'rules';
  route: GatewayRoute[];
  trust: 'none' | 'all' | string[];
}

async function gateway(given: GatewayArguments): Promise<void> {
  const connection = connectAsAsked(given);
  const running = await startGateway({
    port: given.port,
    host: given.host,
    registry: connection,
    routes: given.route,
    entry: given.entry,
    trust: given.trust,
    log: TERMINAL_LOG,
  });
  const check = await connection.check();
  if (!check.ok) console.error(`lane gateway: ${check.problem}; requests get 503 until then`);
  // Ready is when the services behind it are known; with Nacos down it serves its 503 all the same.
  if (check.ok) {
    const listed = await Promise.allSettled(
      given.route.map(({ service, group }) => connection.list({ name: service, group: group ?? 'DEFAULT_GROUP' })),
    );
    if (listed.every(({ status }) => status === 'fulfilled')) await running.ready();
  }
  const unwatch = given.entry === 'rules' ? await watchRules() : () => {};
  announce(running.port, `gateway on ${running.url}, entry by ${given.entry}; Ctrl-C ends it`);
  await untilAskedToStop();
  unwatch();
  await running.close();
  await connection.close();

  /** Watches the lane groups, and waits for the first word on them where Nacos answers. */
  async function watchRules(): Promise<() => void> {
    let known: (() => void) | undefined;
    const first = new Promise<void>((resolve) => (known = resolve));
    const stopWatching = watchLaneGroups(connection, {
      log: TERMINAL_LOG,
      onRules: (rules) => {
        running.setRules(rules);
        known?.();
      },
    });
    if (check.ok) await first;
    return stopWatching;
  }
}

function parseRoute(text: string, before: GatewayRoute[] = []): GatewayRoute[] {
  const match = /^([^=/]+)(\/[^=]*)?=([^:=]+)(?::([A-Za-z0-9._-]{1,64}))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('a route is host[/path]=service[:tag], such as www.example.com/a=spring-cloud-a:gray.');
  const [, host = '', path, service = '', tag] = match;
  return [...before, { host, service, ...(path === undefined ? {} : { path }), ...(tag === undefined ? {} : { tag }) }];
}
