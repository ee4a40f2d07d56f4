import { Command, Option } from 'commander';
import type { NearPolicy, OutlierPolicy } from '@lane/core/model';
import type { LaneRules } from '@lane/core/rules';
import { watchLaneGroups, watchLaneGroupsFile } from '@lane/storage';
import type { AccessEntry, GatewayRoute } from '@lane/gateway';
import { parseDuration, parseLimit, parsePort, parseTrust } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { formatsOption, type FormatsArguments } from '../formats-option.js';
import { gather, parseBaggageKey, parseNear, parseOutlier, parseRoute, registryHoldOption } from '../gateway-arguments.js';
import { routesOfIngress } from '../ingress-files.js';
import { parseLaneGroupsText, readLaneGroupsFile } from '../lane-groups-file.js';
import { noLaneGroups, openRegistry, withRegistryOptions, type Opened, type RegistryArguments } from '../registry-options.js';
import { announceUntilAskedToStop, TERMINAL_LOG } from '../terminal.js';
import { gatewayExportCommand } from './gateway-export.js';
import { gatewayXdsCommand } from './gateway-xds.js';

/** `lane gateway`. */
export function gatewayCommand(): Command {
  return (
    withRegistryOptions(new Command('gateway'))
      .description('start the entry gateway')
      // Options after `export` and `xds` belong to those.
      .enablePositionalOptions()
      .option('--port <port>', 'port to listen on; 0 takes a free one', parsePort, 8000)
      .option('--host <host>', 'address to listen on', '127.0.0.1')
      .addOption(
        new Option('--entry <mode>', 'what chooses the lane of a request. hosts: its route; rules: the entry rules of the lane groups')
          .choices(['hosts', 'rules'])
          .default('hosts'),
      )
      .option('--route <host[/path]=service[:tag]>', 'route requests for this host and path to this service; repeatable', parseRoute)
      .option(
        '--ingress <path>',
        'Kubernetes manifests with an Ingress, its Services and their Deployments: a file, a folder, or - for standard input; repeatable',
        gather,
      )
      .option('--mend', 'where an Ingress names a Service that does not exist, use the one with the most similar name')
      .option('--rules <file>', 'read lane groups from this JSON or YAML file instead of Nacos; reload it when it changes')
      .option('--service <name>', 'name of the gateway in the entries of lane groups', 'lane-gateway')
      .option(
        '--trust <cidrs>',
        'peers whose lane headers and X-Forwarded-* are trusted: none, all, or a comma-separated list of CIDRs',
        parseTrust,
        'none',
      )
      .addOption(formatsOption('formats for writing the tag into requests, and for reading the tags of instances'))
      .option('--baggage-key <key>', 'key of Lane’s entry in the baggage header', parseBaggageKey, 'lane')
      .option('--tls-cert <file>', 'PEM certificate; serves HTTP/2 and HTTP/1.1 over TLS, and reloads it when it changes')
      .option('--tls-key <file>', 'PEM key of the certificate')
      .addOption(registryHoldOption())
      .option(
        '--near <policy>',
        'prefer instances in the gateway’s own zone or region, within a lane: zone or region, with thresholds such as zone,least=2,share=20%; or off. Default: off',
        parseNear,
      )
      .option(
        '--outlier <policy>',
        'when to eject instances that answer with server errors while others in their lane don’t: on, off, or any of connect=1,5xx=5,time=30s,cap=50%. Default: on',
        parseOutlier,
      )
      .option('--zone <name>', 'zone of the gateway, for --near')
      .option('--region <name>', 'region of the gateway, for --near')
      .addOption(time('timeout-connect', 'time limit to connect to an instance before the next one is tried', '3s'))
      .addOption(time('timeout-response', 'time limit for the head of a response', '60s'))
      .addOption(time('timeout-idle', 'time limit for the next byte of a body', '5m'))
      .addOption(time('timeout-keep-alive', 'how long to keep an idle client connection open', '65s'))
      .option(
        '--max-connections-per-client <number>',
        'limit of open connections per client address, each HTTP/2 request counting as one more, except those in --trust; further ones are refused',
        parseLimit,
        1_000,
      )
      .option(
        '--max-requests-per-instance <number>',
        'limit of requests in flight per instance; further ones go to another instance, or get 503',
        parseLimit,
        1_024,
      )
      .option('--health-path <path>', 'health check path: answers 200, and 503 once the gateway is stopping')
      .addOption(time('drain-delay', 'how long to keep accepting requests after a stop signal, so that health checks notice it', '0s'))
      .addOption(time('drain-timeout', 'how long to wait after that for requests in flight', '10s'))
      .addOption(new Option('--access-log <form>', 'log each request on stdout').choices(['off', 'text', 'json']).default('off'))
      .option('--json', 'print the listening address as JSON')
      .addCommand(gatewayExportCommand())
      .addCommand(gatewayXdsCommand())
      .action(gateway)
  );
}

function time(name: string, description: string, usual: string): Option {
  return new Option(`--${name} <time>`, description).argParser(parseDuration).default(parseDuration(usual), usual);
}

interface GatewayArguments extends RegistryArguments, FormatsArguments {
  port: number;
  host: string;
  entry: 'hosts' | 'rules';
  route?: GatewayRoute[];
  ingress?: string[];
  mend?: boolean;
  service: string;
  trust: 'none' | 'all' | string[];
  baggageKey: string;
  tlsCert?: string;
  tlsKey?: string;
  registryHold?: number;
  near?: NearPolicy;
  outlier?: OutlierPolicy;
  zone?: string;
  region?: string;
  timeoutConnect: number;
  timeoutResponse: number;
  timeoutIdle: number;
  timeoutKeepAlive: number;
  maxConnectionsPerClient: number;
  maxRequestsPerInstance: number;
  healthPath?: string;
  drainDelay: number;
  drainTimeout: number;
  accessLog: 'off' | 'text' | 'json';
  json?: boolean;
}

async function gateway(given: GatewayArguments, command: Command): Promise<void> {
  const { readCertificate, startGateway, watchCertificate } = await import('@lane/gateway');
  if (given.route === undefined && given.ingress === undefined)
    throw new CliError('no route: give --route host=service, or --ingress with a Kubernetes manifest', 'ELANE_USAGE', EXIT.usage);
  if ((given.tlsCert === undefined) !== (given.tlsKey === undefined))
    throw new CliError('--tls-cert and --tls-key belong together: give both', 'ELANE_USAGE', EXIT.usage);
  if (given.ingress !== undefined && given.registry === 'kubernetes')
    throw new CliError('--ingress routes to services in Nacos: with --registry kubernetes, give --route host=service', 'ELANE_USAGE', EXIT.usage);
  if (given.rules === '-')
    throw new CliError(
      "--rules reloads its file when it changes, so it can't be standard input: give a file instead of -",
      'ELANE_USAGE',
      EXIT.usage,
    );
  // Fail on a broken file at the start, when somebody can fix it; later the last good rules stay in force.
  if (given.rules !== undefined) await readLaneGroupsFile(given.rules);
  if (given.near !== undefined && given.near.circle !== 'off' && given.zone === undefined && given.region === undefined)
    throw new CliError('--near needs to know where the gateway is: give --zone, --region or both', 'ELANE_USAGE', EXIT.usage);
  const asked = [...(given.route ?? []), ...(given.ingress === undefined ? [] : await routesOfIngress(given.ingress, given.mend === true))];
  const files = given.tlsCert === undefined ? undefined : { cert: given.tlsCert, key: given.tlsKey as string };
  const certificate = files === undefined ? undefined : readCertificate(files);
  const onAccess = await accessLog(given.accessLog);
  const opened = await openRegistry(given, command);
  const { registry } = opened;
  const routes = asked.map(({ canaries = [], ...route }) => ({
    ...route,
    ...targetIn(opened, route),
    canaries: canaries.map(({ target, rules }) => ({ target: { ...target, ...targetIn(opened, target) }, rules })),
  }));
  const findsInNacos = given.registry === 'nacos';
  const nacos = findsInNacos || (given.entry === 'rules' && given.rules === undefined) ? (opened.nacos ?? noLaneGroups()) : undefined;
  const running = await startGateway({
    port: given.port,
    host: given.host,
    registry,
    routes,
    entry: given.entry,
    service: given.service,
    trust: given.trust,
    formats: given.formats,
    baggageKey: given.baggageKey,
    registryHoldMs: given.registryHold,
    near: given.near,
    outlier: given.outlier,
    place: given,
    timeouts: {
      connectMs: given.timeoutConnect,
      responseMs: given.timeoutResponse,
      idleMs: given.timeoutIdle,
      keepAliveMs: given.timeoutKeepAlive,
    },
    limits: { connectionsPerClient: given.maxConnectionsPerClient, requestsPerInstance: given.maxRequestsPerInstance },
    log: TERMINAL_LOG,
    ...(certificate === undefined ? {} : { certificate }),
    ...(given.healthPath === undefined ? {} : { healthPath: given.healthPath }),
    ...(onAccess === undefined ? {} : { onAccess }),
  });
  const unwatchCertificate =
    files === undefined || certificate === undefined
      ? () => {}
      : watchCertificate(files, certificate, (changed) => running.setCertificate(changed), TERMINAL_LOG);
  const check = (await nacos?.check()) ?? { ok: true };
  if (!check.ok) console.error(`lane gateway: ${check.problem}; ${findsInNacos ? 'requests get 503' : 'no rule is in force'} until this is fixed`);
  // Ready once the services behind it are known; with the registry down it still starts, and serves 503.
  if (check.ok || !findsInNacos) {
    const services = routes.filter(({ problem }) => problem === undefined);
    const listed = await Promise.allSettled(services.map(({ service, group }) => registry.list({ name: service, group })));
    if (listed.every(({ status }) => status === 'fulfilled')) await running.ready();
  }
  const unwatch = given.entry === 'rules' ? await watchRules() : () => {};
  const { url, port } = running;
  await announceUntilAskedToStop(
    port,
    given.json === true ? JSON.stringify({ url, port, entry: given.entry }) : `gateway on ${url}, entry by ${given.entry}; Ctrl-C ends it`,
  );
  running.startDraining();
  if (given.drainDelay > 0) await new Promise((resolve) => setTimeout(resolve, given.drainDelay));
  await running.close(given.drainTimeout);
  unwatch();
  unwatchCertificate();
  await opened.close();

  /** Watches the lane groups; waits for the first version if Nacos answers. */
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
    if (given.rules !== undefined) return watchLaneGroupsFile(given.rules, { ...options, parse: parseLaneGroupsText });
    const stopWatching = watchLaneGroups(nacos ?? noLaneGroups(), { ...options, holdMs: given.registryHold });
    if (check.ok) await first;
    return stopWatching;
  }
}

/** The registry's key of a target's service. */
function targetIn({ keyOf }: Opened, { service }: { readonly service: string }): { service: string; group: string } {
  const { name, group } = keyOf(service);
  return { service: name, group };
}

async function accessLog(form: GatewayArguments['accessLog']): Promise<((entry: AccessEntry) => void) | undefined> {
  if (form === 'off') return undefined;
  const { accessJson, accessLine } = await import('@lane/gateway');
  const lineOf = form === 'json' ? accessJson : accessLine;
  // Write all lines of one turn at once: a write per line would cost more than the rest of the request.
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
