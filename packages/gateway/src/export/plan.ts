/** The plan of an export for any target: routes, their rules, the lanes' addresses, and what could not be expressed. */
import { compileLaneGroups, parseLaneGroups, type EntryRule, type LaneGroupsDocument, type RequestKey } from '@lane/core/rules';
import {
  createTagCodec,
  everyFormat,
  FORMATS_ACCEPTED,
  isBaggageKey,
  isFormatName,
  ServiceTables,
  type FormatName,
  type Instance,
  type ServiceKey,
  type Tag,
} from '@lane/core/model';
import { compileRoutes, type CompiledRoute, type GatewayRoute } from '../decide/routes.js';
import { conditionOf, isHeaderName, unwritable, type Condition } from './condition.js';

/** The input of an export. */
export interface ExportSource {
  readonly document: LaneGroupsDocument | undefined;
  readonly routes: readonly GatewayRoute[];
  /** All instances of a group's service, or addresses given for it; undefined: none known. */
  readonly instancesOf: (service: string, group: string) => readonly Instance[] | undefined;
  /** The gateway's name as entry in lane groups. Default `lane-gateway`. */
  readonly service?: string;
  /** Formats in which to write the tag, and to read instances' metadata, like an agent with these LANE_FORMATS. */
  readonly formats: readonly FormatName[];
  readonly baggageKey?: string;
  /** Port that the gateway listens on. Default 80. */
  readonly port?: number;
}

/** An entry rule, ready for output. */
export interface PlannedRule {
  /** `group/lane/rule`. */
  readonly name: string;
  readonly tag: Tag;
  /** undefined: all requests. */
  readonly condition: Condition | undefined;
  /** 0 to 100; undefined: all that match the condition. */
  readonly percent: number | undefined;
  readonly by: RequestKey | undefined;
}

/** Addresses that serve one lane of a service, or its base. */
export interface Upstream {
  /** Unique even ignoring case: letters, digits, `_`, `.` and `-`, starting with a letter (unless the plan was asked for other names). */
  readonly name: string;
  readonly service: string;
  /** undefined: base. */
  readonly tag: Tag | undefined;
  readonly instances: readonly Instance[];
}

/** A route and its rules. */
export interface PlannedRoute extends Pick<CompiledRoute, 'host' | 'path'> {
  readonly pathType: 'exact' | 'prefix';
  readonly isDefault: boolean;
  readonly service: string;
  /** The tag of requests that no rule matches. */
  readonly tag: Tag | undefined;
  readonly rules: readonly PlannedRule[];
  /** All tags that requests may have here. */
  readonly tags: readonly Tag[];
  /** What serves requests with a tag; undefined: nothing, 503. */
  readonly upstreamOf: (tag: Tag | undefined) => Upstream | undefined;
}

/** Something that the target can't express (`gap`: a rule is left out or works differently), or expresses differently (`note`). */
export interface Remark {
  readonly kind: 'gap' | 'note';
  readonly rule: string | undefined;
  readonly message: string;
}

/** A header to write, and its value for a tag. */
export interface WrittenHeader {
  readonly name: string;
  readonly valueOf: (tag: Tag) => string;
}

/** An entry of baggage to write: a text with the tag in it, once or several times. */
export interface WrittenEntry {
  /** The text around the tag, at least two pieces, the first begins with `key=`. The tag goes between any two neighbours. */
  readonly pieces: readonly string[];
  readonly textOf: (tag: Tag) => string;
}

/** Everything an exporter needs. */
export interface Plan {
  readonly routes: readonly PlannedRoute[];
  readonly upstreams: readonly Upstream[];
  readonly port: number;
  /** Our keys in the baggage header: those of clients are removed. */
  readonly ownEntries: readonly string[];
  /** Our other headers, of any format: those of clients are removed. */
  readonly ownHeaders: readonly string[];
  readonly writtenEntries: readonly WrittenEntry[];
  readonly writtenHeaders: readonly WrittenHeader[];
  readonly remarks: readonly Remark[];
  readonly gap: (message: string, rule?: PlannedRule) => void;
  readonly note: (message: string, rule?: PlannedRule) => void;
}

/** Why nothing can be exported, with all problems of the input. */
export class ExportError extends Error {
  readonly code = 'ELANE_EXPORT';
}

/**
 * Prepares an export. `needsAddresses`: whether the target is useless without the instances' addresses. All input is
 * checked here, for all targets: lane groups as everywhere, and hosts, paths and addresses by their
 * grammars. A target only has to encode texts. `nameOf`: names of upstreams other than plain words. Throws
 * {@link ExportError}.
 */
export function planExport(source: ExportSource, needsAddresses = true, nameOf?: UpstreamName): Plan {
  const { service = 'lane-gateway', formats, port = 80, document } = source;
  checkSource(source);
  const key = source.baggageKey === undefined ? {} : { baggageKey: source.baggageKey };
  const every = createTagCodec({ formats: everyFormat(formats), ...key });
  const remarks: Remark[] = [];
  const rules = document === undefined ? undefined : compileLaneGroups(document);
  const codec = createTagCodec({ formats, ...key, rules: () => rules, service: () => service });
  // Read the instances' tags like an agent with these formats.
  const tables = new ServiceTables({ formats });
  tables.setRules(rules);
  const upstreams = new Upstreams(nameOf);
  const add = (kind: Remark['kind'], message: string, rule: string | undefined): void => {
    const remark = { kind, message, rule };
    if (!remarks.some((one) => one.kind === kind && one.message === message && one.rule === rule)) remarks.push(remark);
  };
  const gap = (message: string, rule?: PlannedRule): void => add('gap', message, rule?.name);
  const rulesOf = (entry: string): PlannedRule[] => rulesOfEntry(document, entry, gap);

  const given = source.routes.filter((route) => {
    const problem = problemOfRoute(route);
    if (problem !== undefined) gap(problem);
    return problem === undefined;
  });
  const own = rulesOf(service);
  const table = compileRoutes(given);
  const routes = table.routes.map((route): PlannedRoute => {
    const name = route.key.name;
    const instances = source.instancesOf(name, route.key.group);
    if (instances !== undefined) tables.update(route.key, writableInstances(name, instances, gap));
    else if (needsAddresses) gap(`no address of service ${name} is known: set it with --upstream ${name}=host:port, or start it`);
    const planned = own.length > 0 ? own : rulesOf(name);
    const asked = given.find((one) =>
      one.isDefault === true
        ? table.fallback === route
        : one.host.toLowerCase() === route.host && (one.pathType === 'exact' ? one.path : (one.path ?? '/').replace(/\/+$/, '')) === route.path,
    );
    if ((asked?.canaries ?? []).length > 0)
      gap(`the canary of host ${route.host} and path ${route.path || '/'} is not exported: make it an entry rule`);
    return {
      host: route.host,
      path: route.path === '' ? '/' : route.path,
      pathType: asked?.pathType ?? 'prefix',
      isDefault: table.fallback === route,
      service: name,
      tag: route.tag,
      rules: planned,
      tags: [...new Set([...planned.map(({ tag }) => tag), ...(route.tag === undefined ? [] : [route.tag])])],
      upstreamOf: (tag) => {
        const decision = tables.route(route.key, tag);
        if (decision === undefined || decision.reason === 'none') return undefined;
        return upstreams.of(route.key, decision.reason === 'in-lane' ? tag : undefined, decision.instances);
      },
    };
  });
  for (const route of routes) for (const tag of [undefined, ...route.tags]) route.upstreamOf(tag);
  const sample = codec.wire(SAMPLE);
  return {
    routes,
    get upstreams() {
      return upstreams.all();
    },
    port,
    ownEntries: every.ownEntries,
    ownHeaders: every.ownHeaders,
    writtenEntries: sample.entries.map(([key, text]) => entryAround(key, text)),
    writtenHeaders: sample.headers.map(([name]) => ({ name, valueOf: (tag) => codec.wire(tag).headers.find(([one]) => one === name)?.[1] ?? tag })),
    remarks,
    gap,
    note: (message, rule) => add('note', message, rule?.name),
  };
}

/**
 * Whether every route leads to instances, of any lane. If one does not, the registry may have forgotten them, and the previous
 * configuration should stay in force.
 */
export function isComplete(plan: Plan): boolean {
  return plan.routes.every((route) => [undefined, ...route.tags].some((tag) => route.upstreamOf(tag) !== undefined));
}

const SAMPLE = 'sample';

function entryAround(key: string, text: string): WrittenEntry {
  const value = text.slice(key.length + 1).split(SAMPLE);
  const pieces = [`${key}=${value[0]}`, ...value.slice(1)];
  return { pieces, textOf: (tag) => pieces.join(tag) };
}

function checkSource({ document, formats, baggageKey, port = 80 }: ExportSource): void {
  const parsed = document === undefined ? undefined : parseLaneGroups(document);
  if (parsed?.ok === false)
    throw new ExportError(`the lane groups are not valid: ${parsed.problems.map(({ path, message }) => `${path} ${message}`).join('; ')}`);
  for (const name of formats)
    if (!isFormatName(name)) throw new ExportError(`${JSON.stringify(name)} is not a format: must be one of ${FORMATS_ACCEPTED}`);
  if (baggageKey !== undefined && !isBaggageKey(baggageKey))
    throw new ExportError(`${JSON.stringify(baggageKey)} is not a key of the W3C baggage header: must be of letters, digits and !#$%&'*+-.^_\`|~`);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new ExportError(`${port} is not a port: must be a number from 1 to 65535`);
}

/** Whether a route can be of this host: a name, `*.domain`, or `*`. */
export function isHost(text: string): boolean {
  return HOST.test(text);
}

const HOST = /^(?:\*|(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)$/;
/** A path as on the wire (RFC 3986, 3.3), including what browsers do not encode. */
const PATH = /^\/[!"$->@-~]*$/;

/** Why no target can express a route; undefined: some can. */
function problemOfRoute({ host, path, isDefault }: GatewayRoute): string | undefined {
  if (isDefault !== true && !HOST.test(host)) return `the route of host ${JSON.stringify(host)} is left out: that is not a host name`;
  if (isDefault !== true && path !== undefined && !PATH.test(path))
    return `the route of path ${JSON.stringify(path)} is left out: a path must begin with / and must not contain spaces or other characters that need percent-encoding`;
  return undefined;
}

/** A host name or an IP address, as in registries. */
const ADDRESS = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$/;

/** Instances with a valid address: the registry returns whatever an instance claims. */
function writableInstances(service: string, instances: readonly Instance[], gap: (message: string) => void): readonly Instance[] {
  return instances.filter(({ ip, port }) => {
    const isWritable = ADDRESS.test(ip) && Number.isInteger(port) && port > 0 && port <= 65_535;
    if (!isWritable) gap(`an instance of ${service} is left out: ${JSON.stringify(`${ip}:${port}`)} is not a valid address`);
    return isWritable;
  });
}

/** Names the instances of a service's tag (undefined: base); all names differ. */
export type UpstreamName = (key: ServiceKey, tag: Tag | undefined) => string;

/** A plain word for every target; which of two similar ones gets a number depends on the others. */
function plainNames(): UpstreamName {
  const unique = uniqueNames();
  return ({ name }, tag) => unique(wordOf(tag === undefined ? name : `${name}--${tag}`));
}

/** The upstreams of an export. */
class Upstreams {
  readonly #made = new Map<string, Upstream>();

  constructor(private readonly nameOf: UpstreamName = plainNames()) {}

  of({ name, group }: ServiceKey, tag: Tag | undefined, instances: readonly Instance[]): Upstream {
    const id = JSON.stringify([group, name, tag]);
    let made = this.#made.get(id);
    if (made === undefined) {
      this.#made.set(id, (made = { name: this.nameOf({ name, group }, tag), service: name, tag, instances: sorted(instances) }));
    }
    return made;
  }

  all(): readonly Upstream[] {
    return [...this.#made.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}

/** A word of letters, digits, `_`, `.` and `-` that starts with a letter, so it is not an address, to which nginx would go instead of the upstream. */
function wordOf(text: string): string {
  const word = text.replace(/[^A-Za-z0-9_.-]/g, '_');
  return /^[A-Za-z]/.test(word) ? word : `lane-${word}`;
}

/** Makes names unique, ignoring case, with a final number; `longest`: their length limit. */
export function uniqueNames(longest = Infinity): (name: string) => string {
  const taken = new Set<string>();
  return (name) => {
    let unique = name.slice(0, longest);
    for (let i = 2; taken.has(unique.toLowerCase()); i++) unique = `${name.slice(0, longest - String(i).length - 1)}-${i}`;
    taken.add(unique.toLowerCase());
    return unique;
  };
}

/** The rules of an entry, in document order, as compileLaneGroups tries them. Reports and skips those that no target can express. */
function rulesOfEntry(document: LaneGroupsDocument | undefined, entry: string, gap: Plan['gap']): PlannedRule[] {
  const planned: PlannedRule[] = [];
  for (const group of document?.groups ?? []) {
    if (group.entry?.services.includes(entry) !== true) continue;
    for (const lane of group.lanes) {
      if (lane.enabled === false) continue;
      for (const rule of lane.rules ?? []) {
        const made = planRule(rule, `${group.name}/${lane.name}/${rule.name}`, lane.tag);
        const problem = problemOfRule(made);
        if (problem === undefined) planned.push(made);
        else gap(`${problem}; the rule is left out`, made);
      }
    }
  }
  return planned;
}

function problemOfRule({ condition, by }: PlannedRule): string | undefined {
  if (by?.header !== undefined && !isHeaderName(by.header)) return `no header can have the name ${JSON.stringify(by.header)}`;
  return condition === undefined ? undefined : unwritable(condition);
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

/** The same output for the same instances in any order. */
function sorted(instances: readonly Instance[]): readonly Instance[] {
  return [...instances].sort((a, b) => (a.ip === b.ip ? a.port - b.port : a.ip < b.ip ? -1 : 1));
}

/** Weights as proportional whole numbers from 1 to 100; 1 each if all are equal. */
export function wholeWeights(instances: readonly Instance[]): readonly number[] {
  const most = instances.reduce((largest, { weight }) => Math.max(largest, weight), 0);
  if (instances.every(({ weight }) => weight === most)) return instances.map(() => 1);
  // Beside an infinite weight, a finite one gets nothing.
  const share = (weight: number): number => (most === Infinity ? Number(weight === Infinity) : weight / most);
  return instances.map(({ weight }) => Math.max(1, Math.round(100 * share(weight))));
}

/** `host:port`. */
export function hostPort({ ip, port }: Instance): string {
  return `${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}

/** A text without line breaks and terminal controls. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** All routes in order of precedence: hosts as in {@link hostsOf}, for a host the most specific path first, the default last. */
export function orderedRoutes(plan: Plan): readonly PlannedRoute[] {
  const ordered = hostsOf(plan).flatMap((host) => plan.routes.filter((route) => !route.isDefault && route.host === host).sort(bySpecialty));
  return [...ordered, ...plan.routes.filter(({ isDefault }) => isDefault).slice(0, 1)];
}

/** Whether a route takes every path. */
export function takesEveryPath({ isDefault, path, pathType }: PlannedRoute): boolean {
  return isDefault || (path === '/' && pathType === 'prefix');
}

function bySpecialty(a: PlannedRoute, b: PlannedRoute): number {
  return b.path.length - a.path.length || (a.pathType === 'exact' ? -1 : 1);
}

/** The routes that may take a host's requests, most specific first: its own, those of a wildcard above it, those of any host. */
export function routesOfHost(plan: Plan, host: string): readonly PlannedRoute[] {
  const dot = host.indexOf('.');
  const hosts = host === '*' ? ['*'] : [host, ...(host.startsWith('*.') || dot <= 0 ? [] : [`*${host.slice(dot)}`]), '*'];
  const found: PlannedRoute[] = [];
  for (const one of hosts) {
    const of = plan.routes.filter((route) => !route.isDefault && route.host === one);
    for (const route of of.sort(bySpecialty))
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
