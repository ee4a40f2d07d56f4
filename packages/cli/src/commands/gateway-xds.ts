import { hostname } from 'node:os';
import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { onOneLine } from '@lane/core/model';
import { parsePort } from '../arguments.js';
import { registryHoldOption } from '../gateway-arguments.js';
import { sourceOfOptions, watchSource, withExportOptions, type ExportArguments } from '../export-arguments.js';
import { announceUntilAskedToStop, TERMINAL_LOG } from '../terminal.js';

/** `lane gateway xds`. */
export function gatewayXdsCommand(): Command {
  return withExportOptions(new Command('xds'))
    .description('run Envoy as the entry: serve it clusters, endpoints and routes over xDS, and update them with rules and instances')
    .option('--port <port>', 'port of the xDS server; 0 takes a free one', parsePort, 8910)
    .option('--host <host>', 'address of the xDS server', '127.0.0.1')
    .addOption(registryHoldOption())
    .option('--bootstrap', 'print a bootstrap file for Envoy, and exit')
    .option('--address <host:port>', 'with --bootstrap: address at which Envoy reaches this server. Default: --host and --port', parseAddress)
    .option('--node <id>', 'with --bootstrap: unique node id of the Envoy. Default: the host’s name and a number')
    .option('--json', 'print the listening address and the bootstrap as JSON')
    .action(serve);
}

interface Address {
  readonly host: string;
  readonly port: number;
}

interface Given extends ExportArguments {
  port: number;
  host: string;
  bootstrap?: boolean;
  address?: Address;
  node?: string;
  json?: boolean;
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:/\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535) throw new InvalidArgumentError('Must be host:port.');
  return { host, port };
}

async function serve(given: Given, command: Command): Promise<void> {
  const { changesBetween, startXdsServer, summaryOf, toYaml, xdsBootstrap, xdsResources } = await import('@lane/gateway');
  const { host, port, json = false } = given;
  if (given.bootstrap === true) {
    const address = given.address ?? { host: isIP(host) !== 0 && /^[0.:]+$/.test(host) ? '127.0.0.1' : host, port };
    const bootstrap = xdsBootstrap(sourceOfOptions(given), {
      ...address,
      node: given.node ?? `${hostname()}-${randomBytes(4).toString('hex')}`,
    });
    process.stdout.write(json ? `${JSON.stringify(bootstrap, null, 2)}\n` : toYaml(bootstrap));
    return;
  }
  const server = await startXdsServer({ port, host, log: TERMINAL_LOG });
  if (!isLoopback(host))
    console.error(
      `warning: the xDS server is unauthenticated, and anyone who reaches ${host}:${server.port} can read rules and addresses: let only the Envoys through (a NetworkPolicy, a firewall)`,
    );
  let inForce: ReturnType<typeof summaryOf> | undefined;
  let remarked = '';
  const source = await watchSource(given, command, (next, isSettled) => {
    const known = xdsResources(next);
    const resources = { ...known, isComplete: known.isComplete || isSettled };
    const { plan } = resources;
    server.serve(resources);
    const summary = summaryOf(plan);
    const changes = changesBetween(inForce, summary);
    inForce = summary;
    if (!json && changes.length > 0) {
      console.log(`${new Date().toISOString()} routes ${resources.routes.version}`);
      for (const line of changes) console.log(`  ${onOneLine(line)}`);
    }
    const remarks = plan.remarks.map(
      ({ kind, rule, message }) => `${kind === 'gap' ? 'not expressed' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`,
    );
    if (remarks.join('\n') !== remarked) for (const line of remarks) console.error(onOneLine(line));
    remarked = remarks.join('\n');
  });
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
  await announceUntilAskedToStop(
    server.port,
    json
      ? JSON.stringify({ url, port: server.port })
      : `xDS for Envoys on ${url}; \`lane gateway xds --bootstrap\` prints their bootstrap file; Ctrl-C ends this server, and they keep running`,
  );
  await source.close();
  await server.close();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
