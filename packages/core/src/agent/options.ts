/**
 * The agent's options: a table of rows, and their values from given sources. They are here and not in the agent, which nothing may import,
 * because commands must know how the agent reads an environment. The caller reads the sources; this file does no I/O.
 */
import { withoutCredentials } from '../log.js';
import { BAGGAGE_KEY_ACCEPTED, isBaggageKey } from '../wire/baggage-key.js';
import { FORMATS_ACCEPTED, parseFormatNames, type FormatName } from '../wire/format-names.js';
import type { BaseMode, Fallback } from '../routing/lane-index.js';
import type { Corrects } from '../routing/verdict.js';
import { DEFAULT_NEAR_POLICY, NEAR_OFF, REGION_KEYS, ZONE_KEYS, type NearPolicy } from '../routing/near-policy.js';
import { DEFAULT_OUTLIER_POLICY, NO_OUTLIERS, type OutlierPolicy } from '../routing/outlier.js';
import { isRegistryPackage } from '../routing/registry.js';
import { isIpv4Text, isIpv6Text, isNetworkText } from '../rules/network-syntax.js';
import type { Trust } from '../rules/trust.js';
import { nearest } from '../names/nearest.js';
import { isTag, TAG_RULE, type Tag } from '../names/tag.js';

/** Log levels, from nothing to everything. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const;
/** One of them. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A host that is a service's name, and an extra port of the service that no instance is registered with. */
export type DeclaredService = readonly [host: string, service: string, port?: number];

/** The agent's settings; every field has been checked. */
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
  /** Whether others' baggage goes to hosts that get no tag. */
  readonly baggageBoundary: 'keep' | 'strip';
  /** Hosts that are service names in addition to those of the lane groups. */
  readonly services: readonly DeclaredService[];
  /** `nacos`, `kubernetes`, or the package of a third party's registry. */
  readonly registry: string;
  /** In milliseconds; undefined: the registry's default. */
  readonly registryHoldMs: number | undefined;
  readonly outlier: OutlierPolicy;
  readonly corrects: Corrects;
  readonly near: NearPolicy;
  /** Where this process is; undefined: the app's registration may say it. */
  readonly zone: string | undefined;
  readonly region: string | undefined;
  /** Folder of a service account; undefined: the pod's. */
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
  /** Path that must answer 2xx before the app's registration goes out; undefined: only the port is checked. */
  readonly readyPath: string | undefined;
  /** How long the weight of this instance rises after it has registered, in milliseconds; 0 or undefined: not at all. */
  readonly warmupMs: number | undefined;
  readonly snapshotDir: string | undefined;
  /** undefined: no admin port; 0: any free one. */
  readonly adminPort: number | undefined;
  readonly adminHost: string;
  /** The app's packages with further instrumentations. */
  readonly instrumentations: readonly string[];
  /** Methods whose callbacks are bound to the lane of their caller: `some-queue:Queue.prototype.push[0]`. */
  readonly bind: readonly string[];
  readonly disable: readonly string[];
  /** Folder in which the app reports its calls to `lane doctor --trace`; undefined: no reports. */
  readonly doctorTrace: string | undefined;
  readonly log: LogLevel;
  readonly logFormat: 'text' | 'json';
}

/** What is wrong with a setting; the agent runs without it. */
export interface OptionProblem {
  /** For a log, with what is in force instead. */
  readonly message: string;
  /** Where a value is refused: which, and what it must be. */
  readonly refused?: readonly [what: string, must: string];
}

interface Row<T> {
  readonly variable: string;
  /** Other variables that mean the same, tried in order after it. */
  readonly aliases?: readonly string[];
  readonly accepts: string;
  readonly fallback: T;
  /** What is in force without the option, as a sentence; for rows without a default to show. */
  readonly without?: string;
  /** Writes a value in force, if it is not text. */
  readonly show?: ((value: unknown) => string) | undefined;
  /** undefined: not usable. */
  readonly parse: (text: string) => T | undefined;
  /**
   * Security options only: the strictest value, which replaces an unusable one, and its description.
   * Whoever set the option wanted less than the default. No further source is read, because it may be wider.
   */
  readonly whenUnusable?: { readonly value: T; readonly meaning: string };
}

/** Builds a row; lets the type of the default be wider than its value. */
function row<T>(definition: Row<T>): Row<T> {
  return definition;
}

/**
 * A pattern with `\p{…}`, made where it is used: V8 checks a literal as it parses the file, and collects all characters of the class for that. The
 * three here were a twentieth of a start.
 */
const unicode = (pattern: string): RegExp => new RegExp(pattern, 'u');

/** `service`, `host=service`, or either with a port after the host; undefined: none of these. */
function declaredService(word: string): DeclaredService | undefined {
  const [, host, port, service = host] = unicode('^([\\p{L}\\p{N}._-]+)(?::(\\d{1,5}))?(?:=([^=\\p{Cc}]+))?$').exec(word) ?? [];
  if (host === undefined || service === undefined || Number(port) > 65_535) return undefined;
  return port === undefined ? [host, service] : [host, service, Number(port)];
}

const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');
const oneOf =
  <T extends string>(...values: readonly T[]) =>
  (text: string): T | undefined =>
    values.find((value) => value === text.toLowerCase());
const text = (value: string): string | undefined => value;
/** A name as in registries and Kubernetes labels, without invisible characters. */
const unspaced = (value: string): string | undefined => (unicode('^[^\\s\\p{C}]+$').test(value) ? value : undefined);
/** Nacos' check of namespace ids and groups (com.alibaba.nacos.common.paramcheck). */
const namespaceId = (value: string): string | undefined => (/^[\w-]{1,128}$/.test(value) ? value : undefined);
const nacosGroup = (value: string): string | undefined => (/^[\w:.-]{1,128}$/.test(value) ? value : undefined);

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

/** Such as `5xx=3,time=10s`: missing parts have their default. */
export function outlierPolicy(value: string): OutlierPolicy | undefined {
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

/** What {@link outlierPolicy} accepts, in words. */
export const OUTLIER_ACCEPTED = 'on, off, or any of connect=COUNT, 5xx=COUNT, time=30s and cap=50%';

function outlierText({ connect, serverErrors, timeMs, cap }: OutlierPolicy): string {
  if (serverErrors === 0) return 'off';
  const time = timeMs % 1_000 === 0 ? `${timeMs / 1_000}s` : `${timeMs}ms`;
  return `connect=${connect},5xx=${serverErrors},time=${time},cap=${Math.round(cap * 100)}%`;
}

/** `zone` or `region`, and thresholds such as `least=2,share=30%`: missing parts have their default. */
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

/** The message if near instances should come first but this process's place is unknown. */
export function noPlace(near: NearPolicy): string {
  return `LANE_NEAR=${nearText(near)} does nothing: this process does not know its zone or region. Set LANE_ZONE or LANE_REGION, or register with metadata zone or region.`;
}

/** What {@link nearPolicy} accepts, in words. */
export const NEAR_ACCEPTED = 'zone, region or off; after zone or region, any of least=COUNT, share=20% and few=COUNT';

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

/** An address without brackets, or a name that is not an address in another spelling (`0`, `0x7f.1`). */
function isHost(value: string): boolean {
  if (isIpv4Text(value) || isIpv6Text(value)) return true;
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.');
  const word = unicode('^[\\p{L}\\p{N}_-]+$');
  return labels.every((label) => word.test(label)) && !/^(?:\d+|0x[\da-f]*)$/i.test(labels[labels.length - 1] as string);
}

/** Within a Kubernetes pod's usual 30 seconds, with some left for the app's own handlers. */
const DEFAULT_STOP_MS = 25_000;
const FORMAT_LIST_ACCEPTED = `a comma-separated list of ${FORMATS_ACCEPTED}`;

/** All options, in the order of the documentation. The table in docs/reference/options.md is written from these rows. */
export const OPTION_ROWS = {
  service: row<string | undefined>({
    variable: 'LANE_SERVICE',
    accepts: 'a service name, without spaces',
    fallback: undefined,
    without: 'The service name comes from its registration, else from its package.json',
    parse: unspaced,
  }),
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
    without: 'The formats of LANE_FORMATS are read',
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
    accepts: 'all, none, or a comma-separated list of CIDRs such as 10.0.0.0/8',
    fallback: 'all',
    parse: trust,
    whenUnusable: { value: 'none', meaning: 'No caller is trusted: their tags are ignored' },
  }),
  propagateTo: row<'internal' | 'all' | readonly string[]>({
    variable: 'LANE_PROPAGATE_TO',
    accepts: 'internal, all, or a comma-separated list of host patterns such as *.corp.example',
    fallback: 'internal',
    parse: (value) => oneOf('internal', 'all')(value) ?? hostPatterns(value),
    whenUnusable: { value: 'internal', meaning: 'Tags go only to internal hosts' },
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
    accepts: 'a comma-separated list of service names, host=service or host:port=service',
    fallback: [],
    without: 'Only the services of the lane groups are called by name',
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
    without: "The agent uses the API server of its pod's cluster",
    parse: (value) => (/^https?:\/\/[^/]+\/?$/.test(value) && URL.canParse(value) ? value.replace(/\/$/, '') : undefined),
  }),
  nacosServer: row<string | undefined>({
    variable: 'LANE_NACOS_SERVER',
    accepts: 'host:port, or a comma-separated list of them',
    fallback: undefined,
    parse: text,
  }),
  nacosNamespace: row<string | undefined>({
    variable: 'LANE_NACOS_NAMESPACE',
    accepts: 'a namespace id: letters, digits, _ and -',
    fallback: undefined,
    without: "The agent uses the namespace of the app's own client, else public",
    parse: namespaceId,
  }),
  nacosGroup: row<string>({
    variable: 'LANE_NACOS_GROUP',
    accepts: 'a group name: letters, digits, . : _ and -',
    fallback: 'DEFAULT_GROUP',
    parse: nacosGroup,
  }),
  nacosUsername: row<string | undefined>({ variable: 'LANE_NACOS_USERNAME', accepts: 'a user name', fallback: undefined, parse: text }),
  nacosPassword: row<string | undefined>({ variable: 'LANE_NACOS_PASSWORD', accepts: 'a password', fallback: undefined, parse: text }),
  nacosTransport: row<'http' | 'grpc' | 'auto' | undefined>({
    variable: 'LANE_NACOS_TRANSPORT',
    accepts: 'http, grpc or auto',
    fallback: undefined,
    without: "The agent uses the transport of the app's own Nacos client, else HTTP",
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
    without: "Using the registry's own time: 40s with Nacos",
    parse: (value) => (value === 'off' ? 0 : duration(value)),
  }),
  outlier: row<OutlierPolicy>({
    variable: 'LANE_OUTLIER',
    accepts: OUTLIER_ACCEPTED,
    fallback: DEFAULT_OUTLIER_POLICY,
    parse: outlierPolicy,
    show: (value) => outlierText(value as OutlierPolicy),
  }),
  corrects: row<Corrects>({ variable: 'LANE_CORRECT', accepts: 'all or lanes', fallback: 'all', parse: oneOf('all', 'lanes') }),
  near: row<NearPolicy>({
    variable: 'LANE_NEAR',
    accepts: NEAR_ACCEPTED,
    fallback: NEAR_OFF,
    parse: nearPolicy,
    show: (value) => nearText(value as NearPolicy),
  }),
  zone: row<string | undefined>({
    variable: 'LANE_ZONE',
    accepts: 'the name of a zone, without spaces',
    fallback: undefined,
    without: 'The zone comes from its pod or its registration',
    parse: unspaced,
  }),
  region: row<string | undefined>({
    variable: 'LANE_REGION',
    accepts: 'the name of a region, without spaces',
    fallback: undefined,
    without: 'The region comes from its pod or its registration',
    parse: unspaced,
  }),
  losslessMs: row<number | undefined>({
    variable: 'LANE_LOSSLESS',
    accepts: 'on, off, or the longest time to hold a stop, such as 25s',
    fallback: undefined,
    without: 'Using LANE_LOSSLESS=off',
    parse: (value) => {
      const isOn = boolean(value);
      return isOn === undefined ? duration(value) : isOn ? DEFAULT_STOP_MS : 0;
    },
  }),
  readyPath: row<string | undefined>({
    variable: 'LANE_READY_PATH',
    accepts: 'a path such as /ready',
    fallback: undefined,
    without: 'Registration waits for no path',
    parse: (value) => (/^\/[!-~]*$/.test(value) ? value : undefined),
  }),
  warmupMs: row<number | undefined>({
    variable: 'LANE_WARMUP',
    accepts: 'a time such as 120s, or off',
    fallback: undefined,
    without: 'Using LANE_WARMUP=off',
    parse: (value) => (value === 'off' ? 0 : duration(value)),
  }),
  snapshotDir: row<string | undefined>({ variable: 'LANE_SNAPSHOT_DIR', accepts: 'a folder', fallback: undefined, parse: text }),
  adminPort: row<number | undefined>({
    variable: 'LANE_ADMIN_PORT',
    accepts: 'a port, or 0 for any free one',
    fallback: undefined,
    parse: port,
    whenUnusable: { value: undefined, meaning: 'The admin port is off' },
  }),
  adminHost: row<string>({
    variable: 'LANE_ADMIN_HOST',
    accepts: 'an address or a host name',
    fallback: '127.0.0.1',
    parse: (value) => (isHost(value) ? value : undefined),
    whenUnusable: { value: '127.0.0.1', meaning: 'The admin port listens on loopback only' },
  }),
  instrumentations: row<readonly string[]>({
    variable: 'LANE_INSTRUMENTATIONS',
    accepts: 'a comma-separated list of packages of the app, such as @acme/lane-foo',
    fallback: [],
    without: 'No further instrumentation is loaded',
    parse: packages,
  }),
  bind: row<readonly string[]>({
    variable: 'LANE_BIND',
    accepts: 'a comma-separated list of methods and their callbacks, such as some-queue:Queue.prototype.push[0]',
    fallback: [],
    // A comma between brackets belongs to the line.
    parse: (text) => text.split(/[\s,]+(?![^[\]]*\])/).filter((line) => line !== ''),
  }),
  disable: row<readonly string[]>({
    variable: 'LANE_DISABLE',
    accepts: 'a comma-separated list of instrumentations, or all',
    fallback: [],
    parse: words,
  }),
  doctorTrace: row<string | undefined>({ variable: 'LANE_DOCTOR_TRACE', accepts: 'a folder', fallback: undefined, parse: text }),
  log: row<LogLevel>({ variable: 'LANE_LOG', accepts: 'silent, error, warn, info or debug', fallback: 'warn', parse: oneOf(...LOG_LEVELS) }),
  logFormat: row<'text' | 'json'>({ variable: 'LANE_LOG_FORMAT', accepts: 'text or json', fallback: 'text', parse: oneOf('text', 'json') }),
} as const satisfies Record<string, Row<unknown>>;

/** The variable that names the file with further options. */
export const CONFIG_VARIABLE = 'LANE_CONFIG';
/** Pod labels with the tag: MSE's, then OpenSergo's. */
const LABEL_KEYS = ['alicloud.service.tag', 'traffic.opensergo.io/label'];

/** All of Lane's variables that the agent reads. */
export const AGENT_VARIABLES: readonly string[] = [...Object.values(OPTION_ROWS).map(({ variable }) => variable), CONFIG_VARIABLE];

/** Variables with an instance's tag, in order of precedence. */
export const TAG_VARIABLES: readonly string[] = [OPTION_ROWS.tag.variable, ...(OPTION_ROWS.tag.aliases ?? [])];

/** Values by variable. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The API server's address in a pod's environment; undefined outside a cluster. */
export function kubernetesServerOf(environment: Environment): string | undefined {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') return undefined;
  return `https://${host.includes(':') ? `[${host}]` : host}:${environment['KUBERNETES_SERVICE_PORT'] ?? '443'}`;
}

/** Sources of options, in order of precedence. */
export interface OptionSources {
  readonly environment: Environment;
  /** The parsed file of LANE_CONFIG, or why it can't be read. */
  readonly file?: { readonly path: string; readonly content: unknown } | { readonly path: string; readonly unreadable: string } | undefined;
  /** The pod's labels: lines of `key="value"`. */
  readonly labels?: { readonly path: string; readonly text: string } | undefined;
}

/**
 * Reads all options. Never throws: an unusable value is listed in `problems` and keeps its default, or fails closed for security
 * options. An unreadable file may have contained such options: they fail closed, too, unless the environment sets them.
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
    // Kubernetes copies the node's labels to its pods since 1.35 (KEP-4742).
    options['zone'] ??= labelOf(labels.text, ZONE_KEYS);
    options['region'] ??= labelOf(labels.text, REGION_KEYS);
  }
  options['formatsIn'] ??= options['formats'];
  options['kubernetesServer'] ??= kubernetesServerOf(environment);
  if (options['readyPath'] !== undefined && ((options['losslessMs'] as number | undefined) ?? 0) === 0)
    problems.push({
      message: `LANE_READY_PATH=${options['readyPath'] as string} has no effect without LANE_LOSSLESS=on: registration does not wait for it.`,
    });
  const near = options['near'] as NearPolicy;
  // With Nacos, the app's own registration may say it.
  if (near.circle !== 'off' && options['zone'] === undefined && options['region'] === undefined && options['registry'] !== 'nacos')
    problems.push({ message: noPlace(near) });
  return { options: options as unknown as AgentOptions, problems };
}

/** `file` is undefined if it can't be read. */
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
      // Empty means unset, except for security options: a template may have had nothing to fill in.
      if (value === undefined || (value === '' && (whenUnusable === undefined || whenUnusable.value === definition.fallback))) continue;
      const parsed = value === '' ? undefined : definition.parse(value);
      if (parsed !== undefined) return tell(parsed);
      refused.push(`${variable}=${JSON.stringify(shownValue(definition.variable, value))} is not valid`);
      if (whenUnusable !== undefined) return tell(whenUnusable.value);
    }
  }
  return tell(definition.fallback);

  function tell<T>(inForce: T): T {
    for (const what of refused) {
      const must = `must be ${definition.accepts}`;
      problems.push({ message: `${what}: ${must}. ${whenUnusable?.meaning ?? inForceOf(definition, inForce)}.`, refused: [what, must] });
    }
    return inForce;
  }
}

/** What is in force instead of an unusable value. */
function inForceOf({ variable, without = `${variable} is not set`, show }: Row<unknown>, value: unknown): string {
  if (show !== undefined) return `Using ${variable}=${show(value)}`;
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return without;
  const shown = Array.isArray(value) ? value.join(',') : typeof value === 'string' ? value : JSON.stringify(value);
  return `Using ${variable}=${shownValue(variable, shown)}`;
}

/** An option's value for logs and reports: no password, and addresses without one. */
export function shownValue(variable: string, value: string): string {
  if (variable.endsWith('PASSWORD')) return '…';
  return variable.endsWith('SERVER') ? withoutCredentials(value) : value;
}

/** All options, safe for logs and reports. */
export function shownOptions(options: AgentOptions): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options as unknown as Record<string, unknown>).map(([name, value]) => [
      name,
      typeof value === 'string' ? shownValue(OPTION_ROWS[name as keyof AgentOptions].variable, value) : value,
    ]),
  );
}

/** Variables that look like a mistyped option, each with that option. Names that differ by whole words belong to others. */
export function mistypedVariables(environment: Environment): ReadonlyArray<readonly [name: string, meant: string]> {
  const found: Array<readonly [string, string]> = [];
  for (const name in environment) {
    if (!/^lane[_.-]/i.test(name) || AGENT_VARIABLES.includes(name)) continue;
    const meant = nearest(name.toUpperCase(), AGENT_VARIABLES, { surely: true });
    if (meant !== undefined && haveSameWords(name, meant)) found.push([name, meant]);
  }
  return found;
}

/** Whether two names have equally many words, or the same letters: an extra word makes it another variable (`LANE_SERVICES_URL`). */
function haveSameWords(name: string, variable: string): boolean {
  const own = name.toUpperCase().split(/[_.-]/);
  return own.length === variable.split('_').length || own.join('') === variable.replaceAll('_', '');
}

/** The variables of security options. */
const CLOSING = Object.values(OPTION_ROWS as Record<string, Row<unknown>>)
  .filter(({ whenUnusable }) => whenUnusable !== undefined)
  .map(({ variable }) => variable);
const CLOSED_WITH_FILE = `It may have set ${CLOSING.join(', ')}, which fail closed unless the environment sets them: no caller is trusted, tags and baggage go only to internal hosts, and the admin port is off.`;

/** The options file as an environment, undefined if it is not an object: keys are the variables, or the same without LANE_ in camel case (`nacosServer`). */
function valuesOfFile(file: NonNullable<OptionSources['file']>, problems: OptionProblem[]): Environment | undefined {
  const { path } = file;
  if ('unreadable' in file) {
    problems.push({
      message: `${CONFIG_VARIABLE}=${path} can't be read: ${file.unreadable}. The app runs with the environment's settings only. ${CLOSED_WITH_FILE}`,
    });
    return undefined;
  }
  const { content } = file;
  if (content === null || typeof content !== 'object' || Array.isArray(content)) {
    problems.push({
      message: `${CONFIG_VARIABLE}=${path} is not valid: must be a JSON or YAML object of options. ${CLOSED_WITH_FILE}`,
      refused: [`${CONFIG_VARIABLE}=${path} is not valid`, 'must be a JSON or YAML object of options'],
    });
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
        message: `${CONFIG_VARIABLE}=${path} has an unknown option ${JSON.stringify(key)}: must be one of ${Object.keys(OPTION_ROWS).join(', ')}.`,
      });
    // An empty list is a value.
    else if (value !== null && value !== undefined) values[variable] = Array.isArray(value) ? value.join(',') || ',' : String(value);
  }
  return values;
}

/** The tag from the pod's labels. */
function tagOfLabels(path: string, content: string, problems: OptionProblem[]): Tag | undefined {
  for (const key of LABEL_KEYS) {
    const value = labelOf(content, [key]);
    if (isTag(value)) return value;
    if (value === undefined) continue;
    const what = `label ${key}=${JSON.stringify(value)} in ${path} is not valid`;
    const must = `must be ${TAG_RULE}`;
    problems.push({ message: `${what}: ${must}. This instance is base.`, refused: [what, must] });
  }
  return undefined;
}

/** The first of these labels with a value. */
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
