import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { isTag, nearest, type Instance } from '@lane/core/model';
import type { LaneGroupsDocument } from '@lane/core/rules';
import { InvalidLaneGroupsError, LaneGroupsStore } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import type { GatewayRoute } from '@lane/gateway';
import { EXPORT_TARGETS, exportRules, exportTarget, exportTargetOf, type ExportTarget } from '@lane/gateway/export';
import { parsePort } from '../arguments.js';
import { CliError } from '../cli-error.js';
import { EXIT } from '../exit-codes.js';
import { formatsOption, type FormatsArguments } from '../formats-option.js';
import { gather, parseBaggageKey, parseRoute } from '../gateway-arguments.js';
import { routesOfIngress } from '../ingress-files.js';
import { withNacos, withNacosOptions, type NacosArguments } from '../nacos-options.js';
import { printForProgram, printJson } from '../output.js';

/** `lane gateway export`. */
export function gatewayExportCommand(): Command {
  return withNacosOptions(new Command('export'))
    .description('write the entry rules of the lane groups, and routes, for a gateway that you run already')
    .addArgument(targetArgument())
    .option(
      '--route <host[/path]=service[:tag]>',
      'where requests go; may be given several times. Default: all to the one service that is an entry',
      parseRoute,
    )
    .option('--ingress <path>', 'routes from Kubernetes manifests, as those of lane gateway; may be given several times', gather)
    .option('--mend', 'take a Service of an Ingress that is not there for the one of the nearest name')
    .option(
      '--upstream <service[:tag]=host:port,...>',
      'addresses of a service, instead of those in Nacos; may be given several times',
      parseUpstream,
    )
    .option('--rules <file>', 'lane groups from a file, JSON or YAML, instead of Nacos')
    .option('--service <name>', 'the name by which lane groups know the gateway as entry', 'lane-gateway')
    .addOption(formatsOption('formats in which the tag is written, and the tags of instances are read'))
    .option('--baggage-key <key>', 'key of the entry in the baggage header', parseBaggageKey, 'lane')
    .option('--listen <port>', 'port that the gateway listens on', parsePort, 80)
    .option('--json', 'the text and what it does not say, as JSON')
    .option('--strict', 'exit with 1 where something can’t be expressed')
    .addHelpText(
      'after',
      `\nWhat is written:\n${EXPORT_TARGETS.map(({ name, title, output }) => `  ${name.padEnd(22)}${output}, for ${title}`).join('\n')}`,
    )
    .action(exportGateway);
}

/** Ours are offered by the completion; a package of somebody else is found out when it is loaded. */
function targetArgument(): Argument {
  const names = EXPORT_TARGETS.map(({ name }) => name);
  return new Argument('<gateway>', 'which one, or a package (or a file, ./target.js) that exports one as exportTarget')
    .choices(names)
    .argParser((text) => text);
}

/** A target of ours, or the one that a package exports: as it is installed where the command is run, else beside the command. */
async function targetOf(name: string): Promise<ExportTarget> {
  const ours = exportTarget(name);
  if (ours !== undefined) return ours;
  const known = EXPORT_TARGETS.map((target) => target.name);
  const file = resolveFrom(join(process.cwd(), 'package.json'), name) ?? resolveFrom(__filename, name);
  if (file === undefined) {
    const meant = nearest(name, known);
    throw new CliError(
      `${JSON.stringify(name)} is no gateway${meant === undefined ? '' : `: did you mean ${meant}?`} Allowed choices are ${known.join(', ')}, or the name of an installed package that exports one`,
      'ELANE_USAGE',
      EXIT.usage,
    );
  }
  try {
    return exportTargetOf(await import(pathToFileURL(file).href), name);
  } catch (error) {
    throw new CliError(`${name} can't be used: ${(error as Error).message}`, 'ELANE_USAGE', EXIT.usage);
  }
}

function resolveFrom(from: string, name: string): string | undefined {
  try {
    return createRequire(from).resolve(name);
  } catch {
    return undefined;
  }
}

interface ExportArguments extends NacosArguments, FormatsArguments {
  route?: GatewayRoute[];
  ingress?: string[];
  mend?: boolean;
  json?: boolean;
  upstream?: Map<string, Instance[]>;
  rules?: string;
  service: string;
  baggageKey: string;
  listen: number;
  strict?: boolean;
}

async function exportGateway(name: string, given: ExportArguments): Promise<void> {
  const target = await targetOf(name);
  const { readLaneGroupsFile } = await import('../lane-groups-file.js');
  const addresses = new Map<string, readonly Instance[]>(given.upstream ?? []);
  const exported = await withNacos(given, async (connection) => {
    const document = given.rules === undefined ? await inForce(connection) : await readLaneGroupsFile(given.rules);
    const asked = [...(given.route ?? []), ...(given.ingress === undefined ? [] : await routesOfIngress(given.ingress, given.mend === true))];
    const routes = asked.length > 0 ? asked.filter(({ problem }) => problem === undefined) : [{ host: '*', service: onlyEntry(document) }];
    for (const { service, group = given.nacosGroup ?? 'DEFAULT_GROUP' } of routes) {
      if (addresses.has(service) || !target.needsAddresses) continue;
      addresses.set(service, await connection.list({ name: service, group }));
    }
    return exportRules(target, {
      document,
      routes,
      instancesOf: (service) => addresses.get(service),
      service: given.service,
      formats: given.formats,
      baggageKey: given.baggageKey,
      port: given.listen,
    });
  });
  const { text, remarks } = exported;
  if (given.json === true) printJson(exported);
  else {
    printForProgram(text);
    for (const { kind, rule, message } of remarks)
      console.error(`${kind === 'gap' ? 'not expressed' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`);
  }
  if (given.strict === true && remarks.some(({ kind }) => kind === 'gap')) process.exitCode = EXIT.failed;
}

async function inForce(connection: NacosConnection): Promise<LaneGroupsDocument> {
  const { document, problems } = await new LaneGroupsStore(connection).read();
  if (problems.length > 0) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are not valid');
  return document;
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
    throw new CliError('which service is behind the gateway can’t be told: give --route host=service', 'ELANE_USAGE', EXIT.usage);
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
