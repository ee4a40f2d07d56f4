import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { FORMAT_NAMES, parseLaneGroups, type FormatName, type LaneRules } from '@lane/core';
import { watchLaneGroups, watchLaneGroupsFile } from '@lane/nacos-registry';
import type { AccessEntry, GatewayRoute } from '@lane/gateway';
import { parseDuration, parsePort, parseTrust } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { gather, parseBaggageKey, parseFormats, parseRoute } from '../gateway-arguments.js';
import { routesOfIngress } from '../ingress-files.js';
import { connectAsAsked, withNacosOptions, type NacosArguments } from '../nacos-options.js';
import { announce, TERMINAL_LOG, untilAskedToStop } from '../terminal.js';
import { gatewayExportCommand } from './gateway-export.js';

/** `lane gateway`. */
export function gatewayCommand(): Command {
  return (
    withNacosOptions(new Command('gateway'))
      .description('start the entry gateway')
      // Options behind `export` are its own.
      .enablePositionalOptions()
      .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8000)
      .option('--host <host>', 'address to listen on', '127.0.0.1')
      .addOption(
        new Option('--entry <mode>', 'hosts: routes say which lane serves; rules: entry rules of the lane groups do')
          .choices(['hosts', 'rules'])
          .default('hosts'),
      )
      .option('--route <host[/path]=service[:tag]>', 'where requests go; may be given several times', parseRoute)
      .option(
        '--ingress <path>',
        'Kubernetes manifests with an Ingress, its Services and their Deployments: a file or a folder, or - for standard input; may be given several times',
        gather,
      )
      .option('--mend', 'take a Service of an Ingress that is not there for the one of the nearest name')
      .option('--rules <file>', 'lane groups from a JSON file instead of Nacos; read again when it changes')
      .option('--service <name>', 'the name by which lane groups know the gateway as entry', 'lane-gateway')
      .option(
        '--trust <cidrs>',
        'peers whose own lane headers and X-Forwarded-* are believed: none, all, or a comma list of CIDRs',
        parseTrust,
        'none',
      )
      .option('--formats <list>', `formats in which the tag is sent on: a comma list of ${FORMAT_NAMES.join(', ')}`, parseFormats, ['baggage'])
      .option('--baggage-key <key>', 'key of the entry in the baggage header', parseBaggageKey, 'lane')
      .option('--tls-cert <file>', 'certificate, PEM: HTTP/2 and HTTP/1.1 over TLS; read again when it changes')
      .option('--tls-key <file>', 'its key, PEM')
      .addOption(time('timeout-connect', 'for a connection to an instance; then another one is tried', '3s'))
      .addOption(time('timeout-response', 'for the head of an answer', '60s'))
      .addOption(time('timeout-idle', 'for any byte of a body', '5m'))
      .addOption(time('timeout-keep-alive', 'for the next request on a connection', '65s'))
      .option('--health-path <path>', 'a path that answers 200, and 503 from the end’s beginning on')
      .addOption(time('drain-delay', 'how long requests are still taken when asked to stop, for health checks to notice', '0s'))
      .addOption(time('drain-timeout', 'how long requests under way may take then', '10s'))
      .addOption(new Option('--access-log <form>', 'a line for each request, on stdout').choices(['off', 'text', 'json']).default('off'))
      .option('--json', 'say where it listens as JSON')
      .addCommand(gatewayExportCommand())
      .action(gateway)
  );
}

function time(name: string, description: string, usual: string): Option {
  return new Option(`--${name} <time>`, description).argParser(parseDuration).default(parseDuration(usual), usual);
}

interface GatewayArguments extends NacosArguments {
  port: number;
  host: string;
  entry: 'hosts' | 'rules';
  route?: GatewayRoute[];
  ingress?: string[];
  mend?: boolean;
  rules?: string;
  service: string;
  trust: 'none' | 'all' | string[];
  formats: FormatName[];
  baggageKey: string;
  tlsCert?: string;
  tlsKey?: string;
  timeoutConnect: number;
  timeoutResponse: number;
  timeoutIdle: number;
  timeoutKeepAlive: number;
  healthPath?: string;
  drainDelay: number;
  drainTimeout: number;
  accessLog: 'off' | 'text' | 'json';
  json?: boolean;
}

async function gateway(given: GatewayArguments): Promise<void> {
  const { readCertificate, startGateway, watchCertificate } = await import('@lane/gateway');
  if (given.route === undefined && given.ingress === undefined)
    throw new CliError('no route: give --route host=service, or --ingress with a Kubernetes manifest', 'ELANE_USAGE', EXIT.usage);
  if ((given.tlsCert === undefined) !== (given.tlsKey === undefined))
    throw new CliError('--tls-cert and --tls-key belong together: give both', 'ELANE_USAGE', EXIT.usage);
  if (given.rules !== undefined) expectRules(given.rules);
  const asked = [...(given.route ?? []), ...(given.ingress === undefined ? [] : await routesOfIngress(given.ingress, given.mend === true))];
  const group = given.nacosGroup ?? 'DEFAULT_GROUP';
  const routes = asked.map(({ canaries = [], ...route }) => ({
    group,
    ...route,
    canaries: canaries.map(({ target, rules }) => ({ target: { group, ...target }, rules })),
  }));
  const files = given.tlsCert === undefined ? undefined : { cert: given.tlsCert, key: given.tlsKey as string };
  const certificate = files === undefined ? undefined : readCertificate(files);
  const onAccess = await accessLog(given.accessLog);
  const connection = connectAsAsked(given);
  const running = await startGateway({
    port: given.port,
    host: given.host,
    registry: connection,
    routes,
    entry: given.entry,
    service: given.service,
    trust: given.trust,
    formats: given.formats,
    baggageKey: given.baggageKey,
    timeouts: {
      connectMs: given.timeoutConnect,
      responseMs: given.timeoutResponse,
      idleMs: given.timeoutIdle,
      keepAliveMs: given.timeoutKeepAlive,
    },
    log: TERMINAL_LOG,
    ...(certificate === undefined ? {} : { certificate }),
    ...(given.healthPath === undefined ? {} : { healthPath: given.healthPath }),
    ...(onAccess === undefined ? {} : { onAccess }),
  });
  const unwatchCertificate =
    files === undefined || certificate === undefined
      ? () => {}
      : watchCertificate(files, certificate, (changed) => running.setCertificate(changed), TERMINAL_LOG);
  const check = await connection.check();
  if (!check.ok) console.error(`lane gateway: ${check.problem}; requests get 503 until then`);
  // Ready is when the services behind it are known; with Nacos down it serves its 503 all the same.
  if (check.ok) {
    const services = routes.filter(({ problem }) => problem === undefined);
    const listed = await Promise.allSettled(services.map((route) => connection.list({ name: route.service, group: route.group })));
    if (listed.every(({ status }) => status === 'fulfilled')) await running.ready();
  }
  const unwatch = given.entry === 'rules' ? await watchRules() : () => {};
  const { url, port } = running;
  announce(
    port,
    given.json === true ? JSON.stringify({ url, port, entry: given.entry }) : `gateway on ${url}, entry by ${given.entry}; Ctrl-C ends it`,
  );
  await untilAskedToStop();
  running.startDraining();
  if (given.drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, given.drainDelay));
  await running.close(given.drainTimeout);
  unwatch();
  unwatchCertificate();
  await connection.close();

  /** Watches the lane groups, and waits for the first word on them where there is one to come. */
  async function watchRules(): Promise<() => void> {
    let known: (() => void) | undefined;
    const first = new Promise<void>((resolve) => (known = resolve));
    const options = {
      log: TERMINAL_LOG,
      onRules: (rules: LaneRules | undefined) => {
        running.setRules(rules);
        known?.();
      },
    };
    const stopWatching = given.rules === undefined ? watchLaneGroups(connection, options) : watchLaneGroupsFile(given.rules, options);
    if (given.rules === undefined && check.ok) await first;
    return stopWatching;
  }
}

/** At the start somebody is there to mend the file; later the last good rules stay in force. */
function expectRules(file: string): void {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError(`--rules ${file} can't be read: ${(error as Error).message}`, 'ELANE_USAGE', EXIT.usage);
  }
  const parsed = parseLaneGroups(text);
  if (parsed.ok) return;
  const [problem] = parsed.problems;
  throw new CliError(`${file} has no valid lane groups: ${problem?.path || '/'}: ${problem?.message ?? ''}`, 'ELANE_INVALID_LANE_GROUPS');
}

async function accessLog(form: GatewayArguments['accessLog']): Promise<((entry: AccessEntry) => void) | undefined> {
  if (form === 'off') return undefined;
  const { accessJson, accessLine } = await import('@lane/gateway');
  const lineOf = form === 'json' ? accessJson : accessLine;
  // Lines of one turn are written at once: a write for each would cost more than the rest of the request.
  let lines = '';
  return (entry) => {
    if (lines === '') {
      setImmediate(() => {
        process.stdout.write(lines);
        lines = '';
      });
    }
    lines += `${lineOf(entry)}\n`;
  };
}
