/**
 * The options of the agent: a table of rows, and what the sources of them come to. Here, and not in the agent, which nothing may import:
 * commands have to know what the agent makes of an environment. Whoever has read the sources gives them; nothing is read here.
 */
import { withoutCredentials } from '../log.js';
import { BAGGAGE_KEY_ACCEPTED, isBaggageKey } from '../wire/baggage.js';
import { FORMATS_ACCEPTED, parseFormatNames, type FormatName } from '../wire/formats.js';
import type { BaseMode, Fallback } from '../routing/lane-index.js';
import { DEFAULT_NEAR_POLICY, NEAR_OFF, REGION_KEYS, ZONE_KEYS, type NearPolicy } from '../routing/near.js';
import { DEFAULT_OUTLIER_POLICY, NO_OUTLIERS, type OutlierPolicy } from '../routing/outlier.js';
import { isRegistryPackage } from '../routing/registry.js';
import { isIpv4Text, isIpv6Text, isNetworkText } from '../rules/network-syntax.js';
import type { Trust } from '../rules/trust.js';
import { nearest } from '../names/nearest.js';
import { isTag, TAG_RULE, type Tag } from '../names/tag.js';

/** How much the agent says, from nothing to everything. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
/** One of them. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A host that is a service's name, and a port of it that is the service's though no instance is registered with it. */
export type DeclaredService = readonly [host: string, service: string, port?: number];

/** How the agent is set up; every field has been checked. */
export interface AgentOptions {
  readonly service: string | undefined;
  readonly tag: Tag | undefined;
  readonly stamp: boolean;
  readonly background: 'own' | 'base';
  readonly fallback: Fallback;
  readonly baseMode: BaseMode;
  readonly formats: readonly FormatName[];
  readonly formatsIn: readonly FormatName[];
  readonly baggageKey: string;
  readonly trust: Trust;
  readonly propagateTo: 'internal' | 'all' | readonly string[];
  /** Whether the baggage of others goes to hosts to which no tag goes. */
  readonly baggageBoundary: 'keep' | 'strip';
  /** Hosts that are service names beside those of the lane groups. */
  readonly services: readonly DeclaredService[];
  /** `nacos`, `kubernetes`, or the package of a third party's registry. */
  readonly registry: string;
  /** In milliseconds; undefined: as the registry has it. */
  readonly registryHoldMs: number | undefined;
  readonly outlier: OutlierPolicy;
  readonly near: NearPolicy;
  /** Where this process is; undefined: what the app registers says, if anything does. */
  readonly zone: string | undefined;
  readonly region: string | undefined;
  /** Folder of a service account; undefined: that of the pod. */
  readonly kubernetesAccount: string | undefined;
  /** Such as `https://10.96.0.1:443`; undefined outside a cluster. */
  readonly kubernetesServer: string | undefined;
  readonly nacosServer: string | undefined;
  readonly nacosNamespace: string | undefined;
  readonly nacosGroup: string;
  readonly nacosUsername: string | undefined;
  readonly nacosPassword: string | undefined;
  readonly nacosTransport: 'http' | 'grpc' | 'auto' | undefined;
  readonly rules: 'nacos' | 'none' | { readonly file: string };
  readonly context: 'als' | 'cls';
  readonly messages: 'share' | 'isolate';
  readonly traces: 'none' | 'otlp' | 'zipkin';
  /** The longest that a stop may be held, in milliseconds; 0 or undefined: registration and SIGTERM are left to the app. */
  readonly losslessMs: number | undefined;
  /** What has to answer 2xx before the app's registration goes out; undefined: nothing but the port. */
  readonly readyPath: string | undefined;
  /** How long the weight of this instance rises after it has registered, in milliseconds; 0 or undefined: not at all. */
  readonly warmupMs: number | undefined;
  readonly snapshotDir: string | undefined;
  /** undefined: no admin port; 0: any free one. */
  readonly adminPort: number | undefined;
  readonly adminHost: string;
  /** Packages of the app's that have further instrumentations. */
  readonly instrumentations: readonly string[];
  /** Methods whose callbacks are bound to the lane of who hands them in: `some-queue:Queue.prototype.push[0]`. */
  readonly bind: readonly string[];
  readonly disable: readonly string[];
  /** Folder in which the app tells `lane doctor --trace` of its calls; undefined: it tells nobody. */
  readonly doctorTrace: string | undefined;
  readonly log: LogLevel;
  readonly logFormat: 'text' | 'json';
}

/** What is wrong with a setting; the agent goes on without it. */
export interface OptionProblem {
  readonly message: string;
}

interface Row<T> {
  readonly variable: string;
  /** Other variables that mean the same, tried in order after it. */
  readonly aliases?: readonly string[];
  readonly accepts: string;
  readonly fallback: T;
  /** What an instance without the option is, in words. */
  readonly without?: string;
  /** How a value in force is written, where it is no text. */
  readonly show?: ((value: unknown) => string) | undefined;
  /** undefined: not usable. */
  readonly parse: (text: string) => T | undefined;
  /**
   * Only of options that keep somebody out. What holds instead of what can't be used, as narrow as can be, and what that comes to:
   * whoever set the option wanted less than the default. No further source is asked, as it may be wider.
   */
  readonly whenUnusable?: { readonly value: T; readonly meaning: string };
}

/** Builds a row; lets the type of the default be wider than its value. */
function row<T>(definition: Row<T>): Row<T> {
  return definition;
}

/** `service`, `host=service`, or either with a port behind the host; undefined: none of these. */
function declaredService(word: string): DeclaredService | undefined {
  const [, host, port, service = host] = /^([^=:]+)(?::(\d{1,5}))?(?:=([^=]+))?$/.exec(word) ?? [];
  if (host === undefined || service === undefined || Number(port) > 65_535) return undefined;
  return port === undefined ? [host, service] : [host, service, Number(port)];
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');
const oneOf =
  <T extends string>(...values: readonly T[]) =>
  (text: string): T | undefined =>
    values.find((value) => value === text.toLowerCase());
const text = (value: string): string | undefined => value;

function packages(value: string): readonly string[] | undefined {
  const names = words(value);
  return names.every((name) => /^(?:@[a-z\d][\w.-]*\/)?[a-z\d][\w.-]*$/i.test(name)) ? names : undefined;
}

function boolean(value: string): boolean | undefined {
  const lower = value.toLowerCase();
  if (['true', '1', 'on', 'yes'].includes(lower)) return true;
  if (['false', '0', 'off', 'no'].includes(lower)) return false;
  return undefined;
}

/** Such as 500ms, 40s or 2m; in milliseconds, a day at most. */
function duration(value: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})(ms|s|m)$/.exec(value) ?? [];
  const milliseconds = Number(count) * ({ ms: 1, s: 1_000, m: 60_000 }[unit] ?? NaN);
  return milliseconds <= 86_400_000 ? milliseconds : undefined;
}

/** Such as `5xx=3,time=10s`: what is not written is as by default. */
function outlierPolicy(value: string): OutlierPolicy | undefined {
  const isOn = boolean(value);
  if (isOn !== undefined) return isOn ? DEFAULT_OUTLIER_POLICY : NO_OUTLIERS;
  let policy = DEFAULT_OUTLIER_POLICY;
  for (const word of words(value)) {
    const [, name, of = ''] = /^(connect|5xx|time|cap)=(.+)$/.exec(word) ?? [];
    const count = /^\d{1,4}%?$/.test(of) ? Number(of.replace('%', '')) : NaN;
    const timeMs = duration(of);
    if (name === 'time' && timeMs !== undefined && timeMs > 0) policy = { ...policy, timeMs };
    else if (name === 'cap' && of.endsWith('%') && count >= 1 && count <= 100) policy = { ...policy, cap: count / 100 };
    else if (name === 'connect' && count >= 1 && !of.endsWith('%')) policy = { ...policy, connect: count };
    else if (name === '5xx' && count >= 1 && !of.endsWith('%')) policy = { ...policy, serverErrors: count };
    else return undefined;
  }
  return policy;
}

function outlierText({ connect, serverErrors, timeMs, cap }: OutlierPolicy): string {
  if (serverErrors === 0) return 'off';
  const time = timeMs % 1_000 === 0 ? `${timeMs / 1_000}s` : `${timeMs}ms`;
  return `connect=${connect},5xx=${serverErrors},time=${time},cap=${Math.round(cap * 100)}%`;
}

/** `zone` or `region`, and thresholds such as `least=2,share=30%`: what is not written is as by default. */
export function nearPolicy(value: string): NearPolicy | undefined {
  if (boolean(value) === false) return NEAR_OFF;
  const [circle, ...thresholds] = words(value.toLowerCase());
  if (circle !== 'zone' && circle !== 'region') return undefined;
  let policy: NearPolicy = { ...DEFAULT_NEAR_POLICY, circle };
  for (const word of thresholds) {
    const [, name, of = '', percent] = /^(least|share|few)=(\d{1,4})(%?)$/.exec(word) ?? [];
    const count = Number(of);
    if (name === 'share' && percent === '%' && count <= 100) policy = { ...policy, share: count / 100 };
    else if (name === 'least' && percent === '' && count >= 1) policy = { ...policy, least: count };
    else if (name === 'few' && percent === '') policy = { ...policy, few: count };
    else return undefined;
  }
  return policy;
}

function nearText({ circle, least, share, few }: NearPolicy): string {
  return circle === 'off' ? 'off' : `${circle},least=${least},share=${Math.round(share * 100)}%,few=${few}`;
}

/** What is said where near instances should come first, and nobody knows what is near. */
export function noPlace(near: NearPolicy): string {
  return `LANE_NEAR=${nearText(near)} does nothing, as it is not known where this process is: set LANE_ZONE or LANE_REGION, or register with metadata zone or region.`;
}

/** What {@link nearPolicy} accepts, in words. */
export const NEAR_ACCEPTED = 'zone, region or off; behind zone or region some of least=COUNT, share=20% and few=COUNT';

function port(value: string): number | undefined {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : undefined;
}

function trust(value: string): Trust | undefined {
  const networks = words(value);
  return oneOf('all', 'none')(value) ?? (networks.length > 0 && networks.every(isNetworkText) ? networks : undefined);
}

function hostPatterns(value: string): readonly string[] | undefined {
  const patterns = words(value.toLowerCase());
  const isPattern = (pattern: string): boolean => isHost(pattern.startsWith('*.') ? pattern.slice(2) : pattern);
  return patterns.every(isPattern) ? patterns : undefined;
}

/** An address without brackets, or a name that can't be taken for an address in another spelling (`0`, `0x7f.1`). */
function isHost(value: string): boolean {
  if (isIpv4Text(value) || isIpv6Text(value)) return true;
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.');
  return labels.every((label) => /^[\p{L}\p{N}_-]+$/u.test(label)) && !/^(?:\d+|0x[\da-f]*)$/i.test(labels[labels.length - 1] as string);
}

/** Within a Kubernetes pod's usual 30 seconds, with some left for the app's own handlers. */
const DEFAULT_STOP_MS = 25_000;
const FORMAT_LIST_ACCEPTED = `a comma list of ${FORMATS_ACCEPTED}`;

/** All options, in the order of the documentation. The table in docs/reference/options.md is written from these rows. */
export const OPTION_ROWS = {
  service: row<string | undefined>({ variable: 'LANE_SERVICE', accepts: 'a service name', fallback: undefined, parse: text }),
  tag: row<Tag | undefined>({
    variable: 'LANE_TAG',
    aliases: ['alicloud.service.tag', 'MSE_ALICLOUD_SERVICE_TAG'],
    accepts: TAG_RULE,
    fallback: undefined,
    without: 'This instance is base',
    parse: (value) => (isTag(value) ? value : undefined),
  }),
  stamp: row<boolean>({
    variable: 'LANE_STAMP',
    aliases: ['profiler.micro.service.tag.trace.enable'],
    accepts: 'true or false',
    fallback: false,
    parse: boolean,
  }),
  background: row<'own' | 'base'>({ variable: 'LANE_BACKGROUND', accepts: 'own or base', fallback: 'own', parse: oneOf('own', 'base') }),
  fallback: row<Fallback>({ variable: 'LANE_FALLBACK', accepts: 'base or none', fallback: 'base', parse: oneOf('base', 'none') }),
  baseMode: row<BaseMode>({
    variable: 'LANE_BASE_MODE',
    accepts: 'untagged or outside-enabled-lanes',
    fallback: 'untagged',
    parse: oneOf('untagged', 'outside-enabled-lanes'),
  }),
  formats: row<readonly FormatName[]>({ variable: 'LANE_FORMATS', accepts: FORMAT_LIST_ACCEPTED, fallback: ['baggage'], parse: parseFormatNames }),
  formatsIn: row<readonly FormatName[] | undefined>({
    variable: 'LANE_FORMATS_IN',
    accepts: FORMAT_LIST_ACCEPTED,
    fallback: undefined,
    parse: parseFormatNames,
  }),
  baggageKey: row<string>({
    variable: 'LANE_BAGGAGE_KEY',
    accepts: BAGGAGE_KEY_ACCEPTED,
    fallback: 'lane',
    parse: (value) => (isBaggageKey(value) ? value : undefined),
  }),
  trust: row<Trust>({
    variable: 'LANE_TRUST',
    accepts: 'all, none, or a comma list of CIDRs such as 10.0.0.0/8',
    fallback: 'all',
    parse: trust,
    whenUnusable: { value: 'none', meaning: 'No tag of a caller is believed' },
  }),
  propagateTo: row<'internal' | 'all' | readonly string[]>({
    variable: 'LANE_PROPAGATE_TO',
    accepts: 'internal, all, or a comma list of host patterns such as *.corp.example',
    fallback: 'internal',
    parse: (value) => oneOf('internal', 'all')(value) ?? hostPatterns(value),
    whenUnusable: { value: 'internal', meaning: 'Tags go to internal hosts only' },
  }),
  baggageBoundary: row<'keep' | 'strip'>({
    variable: 'LANE_BAGGAGE_BOUNDARY',
    accepts: 'keep or strip',
    fallback: 'keep',
    parse: oneOf('keep', 'strip'),
    whenUnusable: { value: 'strip', meaning: 'No baggage goes to hosts that are not internal' },
  }),
  services: row<readonly DeclaredService[]>({
    variable: 'LANE_SERVICES',
    accepts: 'a comma list of service names, host=service or host:port=service',
    fallback: [],
    parse: (value) => {
      const services = words(value).map(declaredService);
      return services.every((service) => service !== undefined) ? services : undefined;
    },
  }),
  registry: row<AgentOptions['registry']>({
    variable: 'LANE_REGISTRY',
    accepts: 'nacos, kubernetes, or a package of the app such as @acme/lane-consul',
    fallback: 'nacos',
    parse: (value) => oneOf('nacos', 'kubernetes')(value) ?? (isRegistryPackage(value) ? value : undefined),
  }),
  kubernetesAccount: row<string | undefined>({ variable: 'LANE_KUBERNETES_ACCOUNT', accepts: 'a folder', fallback: undefined, parse: text }),
  kubernetesServer: row<string | undefined>({
    variable: 'LANE_KUBERNETES_SERVER',
    accepts: 'a URL such as http://127.0.0.1:8001',
    fallback: undefined,
    parse: (value) => (/^https?:\/\/[^/]+\/?$/.test(value) ? value.replace(/\/$/, '') : undefined),
  }),
  nacosServer: row<string | undefined>({
    variable: 'LANE_NACOS_SERVER',
    accepts: 'host:port, or a comma list of them',
    fallback: undefined,
    parse: text,
  }),
  nacosNamespace: row<string | undefined>({ variable: 'LANE_NACOS_NAMESPACE', accepts: 'a namespace id', fallback: undefined, parse: text }),
  nacosGroup: row<string>({ variable: 'LANE_NACOS_GROUP', accepts: 'a group name', fallback: 'DEFAULT_GROUP', parse: text }),
  nacosUsername: row<string | undefined>({ variable: 'LANE_NACOS_USERNAME', accepts: 'a user name', fallback: undefined, parse: text }),
  nacosPassword: row<string | undefined>({ variable: 'LANE_NACOS_PASSWORD', accepts: 'a password', fallback: undefined, parse: text }),
  nacosTransport: row<'http' | 'grpc' | 'auto' | undefined>({
    variable: 'LANE_NACOS_TRANSPORT',
    accepts: 'http, grpc or auto',
    fallback: undefined,
    parse: oneOf('http', 'grpc', 'auto'),
  }),
  rules: row<AgentOptions['rules']>({
    variable: 'LANE_RULES',
    accepts: 'nacos, none, or file:PATH',
    fallback: 'nacos',
    parse: (value) => oneOf('nacos', 'none')(value) ?? (value.startsWith('file:') && value.length > 5 ? { file: value.slice(5) } : undefined),
  }),
  context: row<'als' | 'cls'>({ variable: 'LANE_CONTEXT', accepts: 'als or cls', fallback: 'als', parse: oneOf('als', 'cls') }),
  messages: row<'share' | 'isolate'>({
    variable: 'LANE_MESSAGES',
    accepts: 'share or isolate',
    fallback: 'share',
    parse: oneOf('share', 'isolate'),
  }),
  traces: row<'none' | 'otlp' | 'zipkin'>({
    variable: 'LANE_TRACES',
    accepts: 'none, otlp or zipkin',
    fallback: 'none',
    parse: oneOf('none', 'otlp', 'zipkin'),
  }),
  registryHoldMs: row<number | undefined>({
    variable: 'LANE_REGISTRY_HOLD',
    accepts: 'a time such as 40s, or off',
    fallback: undefined,
    parse: (value) => (value === 'off' ? 0 : duration(value)),
  }),
  outlier: row<OutlierPolicy>({
    variable: 'LANE_OUTLIER',
    accepts: 'on, off, or some of connect=COUNT, 5xx=COUNT, time=30s and cap=50%',
    fallback: NO_OUTLIERS,
    parse: outlierPolicy,
    show: (value) => outlierText(value as OutlierPolicy),
  }),
  near: row<NearPolicy>({
    variable: 'LANE_NEAR',
    accepts: NEAR_ACCEPTED,
    fallback: NEAR_OFF,
    parse: nearPolicy,
    show: (value) => nearText(value as NearPolicy),
  }),
  zone: row<string | undefined>({ variable: 'LANE_ZONE', accepts: 'the name of a zone', fallback: undefined, parse: text }),
  region: row<string | undefined>({ variable: 'LANE_REGION', accepts: 'the name of a region', fallback: undefined, parse: text }),
  losslessMs: row<number | undefined>({
    variable: 'LANE_LOSSLESS',
    accepts: 'on, off, or the longest that a stop may be held, such as 25s',
    fallback: undefined,
    parse: (value) => {
      const isOn = boolean(value);
      return isOn === undefined ? duration(value) : isOn ? DEFAULT_STOP_MS : 0;
    },
  }),
  readyPath: row<string | undefined>({
    variable: 'LANE_READY_PATH',
    accepts: 'a path such as /ready',
    fallback: undefined,
    parse: (value) => (/^\/[!-~]*$/.test(value) ? value : undefined),
  }),
  warmupMs: row<number | undefined>({
    variable: 'LANE_WARMUP',
    accepts: 'a time such as 120s, or off',
    fallback: undefined,
    parse: (value) => (value === 'off' ? 0 : duration(value)),
  }),
  snapshotDir: row<string | undefined>({ variable: 'LANE_SNAPSHOT_DIR', accepts: 'a folder', fallback: undefined, parse: text }),
  adminPort: row<number | undefined>({
    variable: 'LANE_ADMIN_PORT',
    accepts: 'a port, or 0 for any free one',
    fallback: undefined,
    parse: port,
    whenUnusable: { value: undefined, meaning: 'There is no admin port' },
  }),
  adminHost: row<string>({
    variable: 'LANE_ADMIN_HOST',
    accepts: 'an address or a host name',
    fallback: '127.0.0.1',
    parse: (value) => (isHost(value) ? value : undefined),
    whenUnusable: { value: '127.0.0.1', meaning: 'The admin port is for this machine only' },
  }),
  instrumentations: row<readonly string[]>({
    variable: 'LANE_INSTRUMENTATIONS',
    accepts: 'a comma list of packages of the app, such as @acme/lane-foo',
    fallback: [],
    parse: packages,
  }),
  bind: row<readonly string[]>({
    variable: 'LANE_BIND',
    accepts: 'a comma list of what binds its callbacks, such as some-queue:Queue.prototype.push[0]',
    fallback: [],
    // A comma between brackets is the line's own.
    parse: (text) => text.split(/[\s,]+(?![^[\]]*\])/).filter((line) => line !== ''),
  }),
  disable: row<readonly string[]>({ variable: 'LANE_DISABLE', accepts: 'a comma list of instrumentations, or all', fallback: [], parse: words }),
  doctorTrace: row<string | undefined>({ variable: 'LANE_DOCTOR_TRACE', accepts: 'a folder', fallback: undefined, parse: text }),
  log: row<LogLevel>({ variable: 'LANE_LOG', accepts: LOG_LEVELS.join(', '), fallback: 'warn', parse: oneOf(...LOG_LEVELS) }),
  logFormat: row<'text' | 'json'>({ variable: 'LANE_LOG_FORMAT', accepts: 'text or json', fallback: 'text', parse: oneOf('text', 'json') }),
} as const satisfies Record<string, Row<unknown>>;

/** The variable that names the file with further options. */
export const CONFIG_VARIABLE = 'LANE_CONFIG';
/** Labels of pods by which MSE, then OpenSergo, tell a tag. */
const LABEL_KEYS = ['alicloud.service.tag', 'traffic.opensergo.io/label'];

/** All variables of Lane's own that the agent reads. */
export const AGENT_VARIABLES: readonly string[] = [...Object.values(OPTION_ROWS).map(({ variable }) => variable), CONFIG_VARIABLE];

/** Variables that are taken for an instance's tag, in the order in which they count. */
export const TAG_VARIABLES: readonly string[] = [OPTION_ROWS.tag.variable, ...(OPTION_ROWS.tag.aliases ?? [])];

/** Values by variable. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where Kubernetes tells its pods that the API server is; undefined outside a cluster. */
export function kubernetesServerOf(environment: Environment): string | undefined {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') return undefined;
  return `https://${host.includes(':') ? `[${host}]` : host}:${environment['KUBERNETES_SERVICE_PORT'] ?? '443'}`;
}

/** Where options come from, in the order in which they count. */
export interface OptionSources {
  readonly environment: Environment;
  /** What the file of LANE_CONFIG has, parsed; or why it can't be read. */
  readonly file?: { readonly path: string; readonly content: unknown } | { readonly path: string; readonly unreadable: string } | undefined;
  /** The pod's labels: lines of `key="value"`. */
  readonly labels?: { readonly path: string; readonly text: string } | undefined;
}

/**
 * Reads all options. Never throws: what can't be used is told in `problems` and left at its default, or closed where the option keeps
 * somebody out. A file that can't be read may have had such options: they are closed, too, unless the environment has them.
 */
export function readAgentOptions({ environment, file, labels }: OptionSources): { options: AgentOptions; problems: OptionProblem[] } {
  const problems: OptionProblem[] = [];
  const fileValues = file === undefined ? {} : valuesOfFile(file, problems);
  const options: Record<string, unknown> = {};
  for (const [key, definition] of Object.entries(OPTION_ROWS) as Array<[string, Row<unknown>]>) {
    options[key] = readRow(definition, environment, fileValues, problems);
  }
  if (labels !== undefined) {
    options['tag'] ??= tagOfLabels(labels.path, labels.text, problems);
    // Kubernetes puts those of the node on its pods since 1.35 (KEP-4742).
    options['zone'] ??= labelOf(labels.text, ZONE_KEYS);
    options['region'] ??= labelOf(labels.text, REGION_KEYS);
  }
  options['formatsIn'] ??= options['formats'];
  options['kubernetesServer'] ??= kubernetesServerOf(environment);
  if (options['readyPath'] !== undefined && ((options['losslessMs'] as number | undefined) ?? 0) === 0)
    problems.push({
      message: `LANE_READY_PATH=${options['readyPath'] as string} is waited for under LANE_LOSSLESS=on only, which is not set: registration does not wait.`,
    });
  const near = options['near'] as NearPolicy;
  // In Nacos the app's own registration may say it.
  if (near.circle !== 'off' && options['zone'] === undefined && options['region'] === undefined && options['registry'] !== 'nacos')
    problems.push({ message: noPlace(near) });
  return { options: options as unknown as AgentOptions, problems };
}

/** `file` is undefined where it can't be read. */
function readRow(definition: Row<unknown>, environment: Environment, file: Environment | undefined, problems: OptionProblem[]): unknown {
  const { whenUnusable } = definition;
  const refused: string[] = [];
  const variables = [definition.variable, ...(definition.aliases ?? [])];
  for (const source of [environment, file]) {
    if (source === undefined) {
      if (whenUnusable !== undefined) return whenUnusable.value;
      continue;
    }
    for (const variable of variables) {
      const value = source[variable]?.trim();
      // Empty is the same as not set, but where that opens what was to be kept closed: a template may have had nothing to fill in.
      if (value === undefined || (value === '' && (whenUnusable === undefined || whenUnusable.value === definition.fallback))) continue;
      const parsed = value === '' ? undefined : definition.parse(value);
      if (parsed !== undefined) return tell(parsed);
      refused.push(`${variable}=${JSON.stringify(shownValue(definition.variable, value))} can't be used: accepted is ${definition.accepts}`);
      if (whenUnusable !== undefined) return tell(whenUnusable.value);
    }
  }
  return tell(definition.fallback);

  function tell<T>(inForce: T): T {
    for (const one of refused) problems.push({ message: `${one}. ${whenUnusable?.meaning ?? inForceOf(definition, inForce)}.` });
    return inForce;
  }
}

/** What is in force instead of a value that can't be used. */
function inForceOf({ variable, without = 'The app runs without this setting', show }: Row<unknown>, value: unknown): string {
  if (show !== undefined) return `In force is ${variable}=${show(value)}`;
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return without;
  const shown = Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);
  return `In force is ${variable}=${shownValue(variable, shown)}`;
}

/** An option's value as it may be told of, in logs and to whoever asks: no password, and an address without the one that may be in it. */
export function shownValue(variable: string, value: string): string {
  if (variable.endsWith('PASSWORD')) return '…';
  return variable.endsWith('SERVER') ? withoutCredentials(value) : value;
}

/** All options as they may be told of. */
export function shownOptions(options: AgentOptions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options as unknown as Record<string, unknown>).map(([name, value]) => [
      name,
      typeof value === 'string' ? shownValue(OPTION_ROWS[name as keyof AgentOptions].variable, value) : value,
    ]),
  );
}

/** Variables that look like an option mistyped, each with the option that was meant. Whole words apart are others' own, and left alone. */
export function mistypedVariables(environment: Environment): ReadonlyArray<readonly [name: string, meant: string]> {
  const found: Array<readonly [string, string]> = [];
  for (const name in environment) {
    if (!/^lane[_.-]/i.test(name) || AGENT_VARIABLES.includes(name)) continue;
    const meant = nearest(name.toUpperCase(), AGENT_VARIABLES, { surely: true });
    if (meant !== undefined && haveSameWords(name, meant)) found.push([name, meant]);
  }
  return found;
}

/** Whether two names have as many words, or the same letters: one with a word more is another thing's (`LANE_SERVICES_URL`). */
function haveSameWords(name: string, variable: string): boolean {
  const own = name.toUpperCase().split(/[_.-]/);
  return own.length === variable.split('_').length || own.join('') === variable.replaceAll('_', '');
}

/** The variables of the options that close. */
const CLOSING = Object.values(OPTION_ROWS as Record<string, Row<unknown>>)
  .filter(({ whenUnusable }) => whenUnusable !== undefined)
  .map(({ variable }) => variable);
const CLOSED_WITH_FILE = `It may have had ${CLOSING.join(', ')}, which keep others out: where the environment does not set them, no tag of a caller is believed, tags and baggage go to internal hosts only, and there is no admin port.`;

/** The options file as if it were an environment, undefined where it is none: keys are the variables, or the same without LANE_ in camel case (`nacosServer`). */
function valuesOfFile(file: NonNullable<OptionSources['file']>, problems: OptionProblem[]): Environment | undefined {
  const { path } = file;
  if ('unreadable' in file) {
    problems.push({
      message: `${CONFIG_VARIABLE}=${path} can't be read: ${file.unreadable}. The app runs with the environment's settings alone. ${CLOSED_WITH_FILE}`,
    });
    return undefined;
  }
  const { content } = file;
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    problems.push({ message: `${CONFIG_VARIABLE}=${path} can't be used: accepted is a JSON or YAML object of options. ${CLOSED_WITH_FILE}` });
    return undefined;
  }
  const values: Record<string, string> = {};
  const known = new Map<string, string>();
  for (const [key, definition] of Object.entries(OPTION_ROWS) as Array<[string, Row<unknown>]>) {
    known.set(key, definition.variable);
    for (const variable of [definition.variable, ...(definition.aliases ?? [])]) known.set(variable, variable);
  }
  for (const [key, value] of Object.entries(content)) {
    const variable = known.get(key);
    if (variable === undefined)
      problems.push({
        message: `${CONFIG_VARIABLE}=${path} has an unknown option ${JSON.stringify(key)}: known are ${Object.keys(OPTION_ROWS).join(', ')}.`,
      });
    // An empty list is a value, not the want of one.
    else if (value !== null && value !== undefined) values[variable] = Array.isArray(value) ? value.join(',') || ',' : String(value);
  }
  return values;
}

/** The tag from the pod's labels. */
function tagOfLabels(path: string, content: string, problems: OptionProblem[]): Tag | undefined {
  for (const key of LABEL_KEYS) {
    const value = labelOf(content, [key]);
    if (isTag(value)) return value;
    if (value !== undefined)
      problems.push({
        message: `label ${key}=${JSON.stringify(value)} in ${path} can't be used: accepted is ${TAG_RULE}. The app runs as base.`,
      });
  }
  return undefined;
}

/** The first of these labels that has a value. */
function labelOf(content: string, keys: readonly string[]): string | undefined {
  const lines = content.split('\n');
  for (const key of keys) {
    const line = lines.find((one) => one.startsWith(`${key}=`));
    const value = line
      ?.slice(key.length + 1)
      .trim()
      .replace(/^"(.*)"$/, '$1');
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}
