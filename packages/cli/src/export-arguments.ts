/** Options of `lane gateway export` and `lane gateway xds`, and the source of what they export, once or watched. */
import { isIP } from 'node:net';
import { InvalidArgumentError, type Command } from 'commander';
import { BEATS_HOLD_MS, isTag, type Instance } from '@lane/core/model';
import type { LaneGroupsDocument, LaneRules } from '@lane/core/rules';
import type { ExportSource, GatewayRoute, LiveSource } from '@lane/gateway';
import { InvalidLaneGroupsError, LaneGroupsStore, watchLaneGroups, watchLaneGroupsFile } from '@lane/storage';
import type { NacosConnection } from '@lane/nacos-registry';
import { parsePort } from './arguments.js';
import { CliError } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import { formatsOption, type FormatsArguments } from './formats-option.js';
import { gather, parseBaggageKey, parseRoute } from './gateway-arguments.js';
import { routesOfIngress } from './ingress-files.js';
import { parseLaneGroupsText, readLaneGroupsFile } from './lane-groups-file.js';
import { noLaneGroups, openRegistry, withRegistry, withRegistryOptions, type Opened, type RegistryArguments } from './registry-options.js';
import { TERMINAL_LOG } from './terminal.js';

/** The options as given. */
export interface ExportArguments extends RegistryArguments, FormatsArguments {
  route?: GatewayRoute[];
  ingress?: string[];
  mend?: boolean;
  upstream?: Map<string, Instance[]>;
  service: string;
  baggageKey: string;
  listen: number;
  registryHold?: number;
}

/** Adds the options of {@link ExportArguments}. */
export function withExportOptions(command: Command): Command {
  return withRegistryOptions(command)
    .option(
      '--route <host[/path]=service[:tag]>',
      'route requests for this host and path to this service; repeatable. Default: all to the only entry service',
      parseRoute,
    )
    .option('--ingress <path>', 'Kubernetes manifests with routes, as for lane gateway; repeatable', gather)
    .option('--mend', 'where an Ingress names a Service that does not exist, use the one with the most similar name')
    .option('--upstream <service[:tag]=host:port,...>', 'addresses of a service, instead of those in Nacos; repeatable', parseUpstream)
    .option('--rules <file>', 'read lane groups from this JSON or YAML file instead of Nacos')
    .option('--service <name>', 'name of the gateway in the entries of lane groups', 'lane-gateway')
    .addOption(formatsOption('formats in which the tag is written, and the tags of instances are read'))
    .option('--baggage-key <key>', 'key of Lane’s entry in the baggage header', parseBaggageKey, 'lane')
    .option('--listen <port>', 'port that the gateway listens on', parsePort, 80);
}

/** Any interval works. */
const HOLD_PROCESS_MS = 60_000;

type Route = GatewayRoute & { readonly problem?: string | undefined };

/** Reads the source of an export once. */
export function sourceNow(given: ExportArguments, command: Command, needsAddresses: boolean): Promise<ExportSource> {
  return withRegistry(given, command, async (opened) => {
    const asked = await askedRoutes(given);
    const document = given.rules === undefined ? await inForce(opened.nacos ?? noLaneGroups()) : await readLaneGroupsFile(given.rules);
    const routes = routesUnder(document, asked, opened, given);
    const addresses = new Map<string, readonly Instance[]>();
    for (const { service, group } of routes)
      if (needsAddresses && given.upstream?.has(service) !== true)
        addresses.set(JSON.stringify([group, service]), await opened.registry.list({ name: service, group }));
    const instancesOf = (service: string, group: string): readonly Instance[] | undefined =>
      given.upstream?.get(service) ?? addresses.get(JSON.stringify([group, service]));
    return { ...restOf(given), document, routes, instancesOf };
  });
}

/**
 * Watches the source of an export until closed. Throws for problems at the start; later it keeps the last good state.
 * `isSettled`: false in the first seconds, when a restarted registry may not know all instances yet.
 */
export async function watchSource(
  given: ExportArguments,
  command: Command,
  onSource: (source: ExportSource, isSettled: boolean) => void,
): Promise<{ close(): Promise<void> }> {
  if (given.rules === '-')
    throw new CliError(
      "--rules reloads its file when it changes, so it can't be standard input: give a file instead of -",
      'ELANE_USAGE',
      EXIT.usage,
    );
  if (given.rules !== undefined) await readLaneGroupsFile(given.rules);
  const asked = await askedRoutes(given);
  const { LiveSource } = await import('@lane/gateway');
  const opened = await openRegistry(given, command);
  const { nacos, registry } = opened;
  let last: ExportSource | undefined;
  let isSettled = false;
  const settling = setTimeout(
    () => {
      isSettled = true;
      if (last !== undefined) onSource(last, true);
    },
    given.registryHold ?? registry.holdMs ?? BEATS_HOLD_MS,
  );
  // Registry connections do not keep the process alive, since agents use them in apps.
  const held = setInterval(() => {}, HOLD_PROCESS_MS);
  const live: LiveSource = new LiveSource({
    registry,
    routesOf: (document) => routesUnder(document, asked, opened, given),
    rest: restOf(given),
    given: given.upstream ?? new Map<string, readonly Instance[]>(),
    registryHoldMs: given.registryHold,
    onSource: (source) => {
      last = source;
      onSource(source, isSettled);
    },
    log: TERMINAL_LOG,
  });
  const { registryHold: holdMs } = given;
  const watching = { log: TERMINAL_LOG, onRules: (rules: LaneRules | undefined) => live.setDocument(rules?.document) };
  const unwatch =
    given.rules === undefined
      ? watchLaneGroups(nacos ?? noLaneGroups(), { ...watching, holdMs })
      : watchLaneGroupsFile(given.rules, { ...watching, parse: parseLaneGroupsText });
  const isAsked = given.rules === undefined || given.upstream === undefined;
  const check = (isAsked ? await nacos?.check() : undefined) ?? { ok: true };
  if (!check.ok) console.error(`lane gateway: ${check.problem}; nothing changes until this is fixed`);
  return {
    async close() {
      clearTimeout(settling);
      clearInterval(held);
      unwatch();
      live.close();
      await opened.close();
    },
  };
}

function restOf({ service, formats, baggageKey, listen }: ExportArguments): Omit<ExportSource, 'document' | 'routes' | 'instancesOf'> {
  return { service, formats, baggageKey, port: listen };
}

/** The source of a bootstrap: only what does not change. */
export function sourceOfOptions(given: ExportArguments): ExportSource {
  return { ...restOf(given), document: undefined, routes: [], instancesOf: () => undefined };
}

async function askedRoutes({ route = [], ingress, mend }: ExportArguments): Promise<readonly Route[]> {
  return [...route, ...(ingress === undefined ? [] : await routesOfIngress(ingress, mend === true))];
}

/** The requested routes; without any, all requests go to the only entry service. */
function routesUnder(
  document: LaneGroupsDocument | undefined,
  asked: readonly Route[],
  { keyOf }: Opened,
  { registry }: ExportArguments,
): Array<GatewayRoute & { readonly group: string }> {
  const routes = asked.length > 0 ? asked.filter(({ problem }) => problem === undefined) : [{ host: '*', service: onlyEntry(document) }];
  return routes.map((route) => {
    const { name, group } = keyOf(route.service);
    // An Ingress may route to a service of another group.
    return { ...route, service: name, group: registry === 'nacos' ? (route.group ?? group) : group };
  });
}

async function inForce(connection: NacosConnection): Promise<LaneGroupsDocument> {
  const { document, problems } = await new LaneGroupsStore(connection).read();
  if (problems.length > 0) throw new InvalidLaneGroupsError(problems, 'the stored lane groups are invalid');
  return document;
}

/** The service behind the gateway, if the lane groups make it unambiguous. */
function onlyEntry(document: LaneGroupsDocument | undefined): string {
  const entries = new Set<string>();
  for (const group of document?.groups ?? []) {
    const inside = group.entry?.services.filter((one) => group.services.includes(one)) ?? [];
    for (const one of inside.length > 0 ? inside : group.services.slice(0, 1)) entries.add(one);
  }
  const [only] = entries;
  if (entries.size !== 1 || only === undefined)
    throw new CliError('the service behind the gateway is ambiguous: give --route host=service', 'ELANE_USAGE', EXIT.usage);
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
      throw new InvalidArgumentError(`${JSON.stringify(address)} is not an address: must be host:port.`);
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
