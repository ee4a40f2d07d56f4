import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { FORMAT_NAMES, isTag, parseLaneGroups, type FormatName, type Instance, type LaneGroupsDocument } from '@lane/core';
import { LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP } from '@lane/nacos-registry';
import type { ExportTarget, GatewayRoute } from '@lane/gateway';
import { parsePort } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { parseFormats, parseRoute } from '../gateway-arguments.js';
import { connectAsAsked, withNacosOptions, type NacosArguments } from '../nacos-options.js';

const TARGETS: readonly ExportTarget[] = ['nginx', 'haproxy', 'envoy', 'spring-cloud-gateway', 'istio', 'higress', 'apisix'];

/** `lane gateway export`. */
export function gatewayExportCommand(): Command {
  return withNacosOptions(new Command('export'))
    .description('write the entry rules of the lane groups, and routes, for a gateway that you run already')
    .addArgument(new Argument('<gateway>', 'which one').choices(TARGETS))
    .option(
      '--route <host[/path]=service[:tag]>',
      'where requests go; may be given several times. Default: all to the one service that is an entry',
      parseRoute,
    )
    .option(
      '--upstream <service[:tag]=host:port,...>',
      'addresses of a service, instead of those in Nacos; may be given several times',
      parseUpstream,
    )
    .option('--rules <file>', 'lane groups from a file instead of Nacos')
    .option('--service <name>', 'the name by which lane groups know the gateway as entry', 'lane-gateway')
    .option('--formats <list>', `formats in which the tag is written: a comma list of ${FORMAT_NAMES.join(', ')}`, parseFormats, ['baggage'])
    .option('--baggage-key <key>', 'key of the entry in the baggage header', 'lane')
    .option('--listen <port>', 'port that the gateway listens on', parsePort, 80)
    .option('--strict', 'exit with 3 where something can’t be expressed')
    .action(exportGateway);
}

interface ExportArguments extends NacosArguments {
  route?: GatewayRoute[];
  upstream?: Map<string, Instance[]>;
  rules?: string;
  service: string;
  formats: FormatName[];
  baggageKey: string;
  listen: number;
  strict?: boolean;
}

/** What could not be expressed is no success where that is asked for. */
const NOT_EXPRESSED = 3;

async function exportGateway(target: ExportTarget, given: ExportArguments): Promise<void> {
  const { exportRules } = await import('@lane/gateway');
  const asked = given.upstream ?? new Map<string, Instance[]>();
  const connection = connectAsAsked(given);
  try {
    const document = given.rules === undefined ? parsed(await fromNacos(), 'the lane groups in Nacos') : parsed(readRules(given.rules), given.rules);
    const routes = given.route ?? [{ host: '*', service: onlyEntry(document) }];
    const known = new Map<string, readonly Instance[]>(asked);
    for (const { service } of routes) {
      if (known.has(service) || !needsAddresses(target)) continue;
      known.set(service, await connection.list({ name: service, group: 'DEFAULT_GROUP' }));
    }
    const { text, remarks } = exportRules(target, {
      document,
      routes,
      instancesOf: (service) => known.get(service),
      service: given.service,
      formats: given.formats,
      baggageKey: given.baggageKey,
      port: given.listen,
    });
    process.stdout.write(text);
    for (const { kind, rule, message } of remarks)
      console.error(`${kind === 'gap' ? 'not expressed' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`);
    if (given.strict === true && remarks.some(({ kind }) => kind === 'gap')) process.exitCode = NOT_EXPRESSED;
  } finally {
    await connection.close();
  }

  async function fromNacos(): Promise<string | undefined> {
    return (await connection.get(LANE_GROUPS_DATA_ID, LANE_GROUPS_GROUP))?.content;
  }
}

/** Those of Kubernetes name Services. */
function needsAddresses(target: ExportTarget): boolean {
  return target !== 'istio' && target !== 'higress';
}

function readRules(file: string): string {
  if (!existsSync(file)) throw new CliError(`${file}, which --rules names, is not there`, 'ELANE_USAGE', 2);
  return readFileSync(file, 'utf8');
}

function parsed(text: string | undefined, what: string): LaneGroupsDocument | undefined {
  if (text === undefined) return undefined;
  const result = parseLaneGroups(text);
  if (result.ok) return result.document;
  const [problem] = result.problems;
  throw new CliError(`${what}: not valid: ${problem?.path ?? ''}: ${problem?.message ?? ''}`, 'ELANE_INVALID_LANE_GROUPS');
}

/** The service behind the gateway, where the lane groups leave no doubt. */
function onlyEntry(document: LaneGroupsDocument | undefined): string {
  const entries = new Set<string>();
  for (const group of document?.groups ?? []) {
    const inside = group.entry?.services.filter((one) => group.services.includes(one)) ?? [];
    for (const one of inside.length > 0 ? inside : group.services.slice(0, 1)) entries.add(one);
  }
  const [only] = entries;
  if (entries.size !== 1 || only === undefined)
    throw new CliError('which service is behind the gateway can’t be told: give --route host=service', 'ELANE_USAGE', 2);
  return only;
}

function parseUpstream(text: string, before = new Map<string, Instance[]>()): Map<string, Instance[]> {
  const match = /^([^:=]+)(?::([^:=]+))?=(.+)$/.exec(text);
  const tag = match?.[2];
  if (match === null || (tag !== undefined && !isTag(tag)))
    throw new InvalidArgumentError('addresses are service[:tag]=host:port,..., such as spring-cloud-a:gray=10.0.0.7:20001.');
  const service = match[1] as string;
  for (const address of (match[3] as string).split(',')) {
    const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(address.trim());
    const ip = parts?.[1] ?? parts?.[2];
    if (parts === null || ip === undefined || (parts[1] !== undefined && isIP(ip) !== 6))
      throw new InvalidArgumentError(`${JSON.stringify(address)} is no address: accepted is host:port.`);
    const instance: Instance = {
      ip,
      port: Number(parts[3]),
      weight: 1,
      healthy: true,
      enabled: true,
      metadata: tag === undefined ? {} : { lane: tag },
    };
    before.set(service, [...(before.get(service) ?? []), instance]);
  }
  return before;
}
