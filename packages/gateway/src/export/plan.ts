/** What is exported, whatever for: routes, the rules that hold on them, the lanes' addresses, and what could not be said. */
import { compileLaneGroups, type EntryRule, type LaneGroupsDocument, type RequestKey } from '@lane/core/rules';
import { createTagCodec, FORMAT_NAMES, ServiceTables, type FormatName, type Instance, type Tag } from '@lane/core/model';
import { compileRoutes, type CompiledRoute, type GatewayRoute } from '../decide/routes.js';
import { conditionOf, type Condition } from './condition.js';

/** What an export is made from. */
export interface ExportSource {
  readonly document: LaneGroupsDocument | undefined;
  readonly routes: readonly GatewayRoute[];
  /** All instances of a service, or addresses given for it; undefined: none are known. */
  readonly instancesOf: (service: string) => readonly Instance[] | undefined;
  /** The name by which lane groups know the gateway as entry. Default `lane-gateway`. */
  readonly service?: string;
  readonly formats?: readonly FormatName[];
  readonly baggageKey?: string;
  /** Port that the gateway listens on. Default 80. */
  readonly port?: number;
}

/** An entry rule, ready to be written. */
export interface PlannedRule {
  /** `group/lane/rule`. */
  readonly name: string;
  readonly tag: Tag;
  /** undefined: all requests. */
  readonly condition: Condition | undefined;
  /** 0 to 100; undefined: all that the condition takes. */
  readonly percent: number | undefined;
  readonly by: RequestKey | undefined;
}

/** Addresses that serve one lane of a service, or its base. */
export interface Upstream {
  readonly name: string;
  readonly service: string;
  /** undefined: base. */
  readonly tag: Tag | undefined;
  readonly instances: readonly Instance[];
}

/** A route, and the rules that hold on it. */
export interface PlannedRoute extends Pick<CompiledRoute, 'host' | 'path'> {
  readonly pathType: 'exact' | 'prefix';
  readonly isDefault: boolean;
  readonly service: string;
  /** The tag of requests that no rule matches. */
  readonly tag: Tag | undefined;
  readonly rules: readonly PlannedRule[];
  /** All tags that requests may have here. */
  readonly tags: readonly Tag[];
  /** What serves requests of a tag; undefined: nothing does, 503. */
  readonly upstreamOf: (tag: Tag | undefined) => Upstream | undefined;
}

/** Something that the target can't say (`gap`: a rule is left out, or does not what it says), or says in its own way (`note`). */
export interface Remark {
  readonly kind: 'gap' | 'note';
  readonly rule: string | undefined;
  readonly message: string;
}

/** A header to be written for a tag; `value` has {@link TAG} where the tag goes. */
export interface WrittenHeader {
  readonly name: string;
  readonly valueOf: (tag: Tag) => string;
}

/** Everything an exporter needs. */
export interface Plan {
  readonly routes: readonly PlannedRoute[];
  readonly upstreams: readonly Upstream[];
  readonly port: number;
  /** Keys of ours in the baggage header: clients' own are taken away. */
  readonly ownEntries: readonly string[];
  /** Our other headers, of any format: clients' own are taken away. */
  readonly ownHeaders: readonly string[];
  /** Keys under which the tag is written into baggage. */
  readonly writtenEntries: readonly string[];
  readonly writtenHeaders: readonly WrittenHeader[];
  readonly remarks: readonly Remark[];
  readonly gap: (message: string, rule?: PlannedRule) => void;
  readonly note: (message: string, rule?: PlannedRule) => void;
}

/** Prepares an export; `needsAddresses`: whether the target is of no use without those of the instances. */
export function planExport(source: ExportSource, needsAddresses = true): Plan {
  const { service = 'lane-gateway', formats = ['baggage'], port = 80 } = source;
  const key = source.baggageKey === undefined ? {} : { baggageKey: source.baggageKey };
  const every = createTagCodec({ formats: FORMAT_NAMES, ...key });
  const remarks: Remark[] = [];
  const rules = source.document === undefined ? undefined : compileLaneGroups(source.document);
  const codec = createTagCodec({ formats, ...key, groupOf: (tag) => rules?.groupOf(tag) });
  const tables = new ServiceTables();
  tables.setRules(rules);
  const own = rulesOfEntry(source.document, service);
  const table = compileRoutes(source.routes);
  const upstreams = new Map<string, Upstream>();

  const upstream = (name: string, tag: Tag | undefined, instances: readonly Instance[]): Upstream => {
    const id = tag === undefined ? name : `${name}--${tag}`;
    let made = upstreams.get(id);
    if (made === undefined) upstreams.set(id, (made = { name: id, service: name, tag, instances: sorted(instances) }));
    return made;
  };
  const add = (kind: Remark['kind'], message: string, rule: PlannedRule | undefined): void => {
    const remark = { kind, message, rule: rule?.name };
    if (!remarks.some((one) => one.kind === kind && one.message === message && one.rule === remark.rule)) remarks.push(remark);
  };

  const routes = table.routes.map((route): PlannedRoute => {
    const name = route.key.name;
    const instances = source.instancesOf(name);
    if (instances !== undefined) tables.update(route.key, instances);
    else if (needsAddresses) add('gap', `no address of service ${name} is known: give it by --upstream ${name}=host:port, or start it`, undefined);
    const planned = own.length > 0 ? own : rulesOfEntry(source.document, name);
    const given = source.routes.find((one) =>
      one.isDefault === true
        ? table.fallback === route
        : one.host.toLowerCase() === route.host && (one.pathType === 'exact' ? one.path : (one.path ?? '/').replace(/\/+$/, '')) === route.path,
    );
    if ((given?.canaries ?? []).length > 0)
      add('gap', `the canary of host ${route.host} and path ${route.path || '/'} is not exported: make it an entry rule`, undefined);
    return {
      host: route.host,
      path: route.path === '' ? '/' : route.path,
      pathType: given?.pathType ?? 'prefix',
      isDefault: table.fallback === route,
      service: name,
      tag: route.tag,
      rules: planned,
      tags: [...new Set([...planned.map(({ tag }) => tag), ...(route.tag === undefined ? [] : [route.tag])])],
      upstreamOf: (tag) => {
        const decision = tables.route(route.key, tag);
        if (decision === undefined || decision.reason === 'none') return undefined;
        return upstream(name, decision.reason === 'in-lane' ? tag : undefined, decision.instances);
      },
    };
  });
  for (const route of routes) for (const tag of [undefined, ...route.tags]) route.upstreamOf(tag);
  const sample = codec.wire('sample');
  return {
    routes,
    get upstreams() {
      return [...upstreams.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    port,
    ownEntries: every.ownEntries,
    ownHeaders: every.ownHeaders,
    writtenEntries: sample.entries.map(([entry]) => entry),
    writtenHeaders: sample.headers.map(([name], i) => ({ name, valueOf: (tag) => codec.wire(tag).headers[i]?.[1] ?? tag })),
    remarks,
    gap: (message, rule) => add('gap', message, rule),
    note: (message, rule) => add('note', message, rule),
  };
}

/** The rules of an entry, in document order: those that compileLaneGroups tries. */
function rulesOfEntry(document: LaneGroupsDocument | undefined, entry: string): PlannedRule[] {
  const planned: PlannedRule[] = [];
  for (const group of document?.groups ?? []) {
    if (group.entry?.services.includes(entry) !== true) continue;
    for (const lane of group.lanes) {
      if (lane.enabled === false) continue;
      for (const rule of lane.rules ?? []) planned.push(planRule(rule, `${group.name}/${lane.name}/${rule.name}`, lane.tag));
    }
  }
  return planned;
}

function planRule(rule: EntryRule, name: string, tag: Tag): PlannedRule {
  return {
    name,
    tag,
    condition: rule.match === undefined ? undefined : conditionOf(rule.match),
    percent: rule.percent === 100 ? undefined : rule.percent,
    by: rule.by,
  };
}

/** The same output for the same instances, in whatever order the registry tells them. */
function sorted(instances: readonly Instance[]): readonly Instance[] {
  return [...instances].sort((a, b) => (a.ip === b.ip ? a.port - b.port : a.ip < b.ip ? -1 : 1));
}

/** Weights as whole numbers from 1 to 100, in proportion; 1 each where they are all the same. */
export function wholeWeights(instances: readonly Instance[]): readonly number[] {
  const most = Math.max(...instances.map(({ weight }) => weight));
  if (instances.every(({ weight }) => weight === most)) return instances.map(() => 1);
  return instances.map(({ weight }) => Math.max(1, Math.round((100 * weight) / most)));
}

/** `host:port`. */
export function hostPort({ ip, port }: Instance): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}

/** What has to be known of the output, as lines of a comment. */
export function remarkLines(remarks: readonly Remark[]): string[] {
  return remarks.map(
    ({ kind, rule, message }) => `${kind === 'gap' ? 'NOT EXPRESSED' : 'note'}: ${rule === undefined ? '' : `rule ${rule}: `}${message}`,
  );
}

/** Of the routes of a host those that take its requests, most special first: its own, those of a wildcard above it, those of any host. */
export function routesOfHost(plan: Plan, host: string): readonly PlannedRoute[] {
  const dot = host.indexOf('.');
  const hosts = host === '*' ? ['*'] : [host, ...(host.startsWith('*.') || dot <= 0 ? [] : [`*${host.slice(dot)}`]), '*'];
  const found: PlannedRoute[] = [];
  for (const one of hosts) {
    const of = plan.routes.filter((route) => !route.isDefault && route.host === one);
    for (const route of of.sort((a, b) => b.path.length - a.path.length || (a.pathType === 'exact' ? -1 : 1)))
      if (!found.some(({ path, pathType }) => path === route.path && pathType === route.pathType)) found.push(route);
  }
  const rest = plan.routes.find(({ isDefault }) => isDefault);
  return rest === undefined ? found : [...found, rest];
}

/** All hosts of the routes, wildcards after names, any host last. */
export function hostsOf(plan: Plan): readonly string[] {
  const hosts = [...new Set(plan.routes.map(({ host, isDefault }) => (isDefault ? '*' : host)))];
  const rank = (host: string): number => (host === '*' ? 2 : host.startsWith('*.') ? 1 : 0);
  return hosts.sort((a, b) => rank(a) - rank(b));
}
