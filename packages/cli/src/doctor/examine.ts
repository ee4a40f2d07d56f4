/** All checks of the doctor, in order. */
import { dirname, isAbsolute, join } from 'node:path';
import { SILENT_LOG } from '@lane/core/model';
import type { AgentOptions, Environment, StatusReport } from '@lane/core/agent';
import { connectNacos, NacosError, type NacosConnection } from '@lane/nacos-registry';
import { askAgent } from './agent-status.js';
import { checkAgent, checkInstrumentations, checkNode } from './check-agent.js';
import { checkLaneGroups, checkLanes } from './check-lanes.js';
import { checkNacos, splitMessage, type NacosTarget } from './check-nacos.js';
import { checkNames, checkValues } from './check-options.js';
import { Findings, type Finding } from './finding.js';
import { installedFolder } from './preloads.js';
import { processOf } from './process-of.js';
import { agentAt, optionsOf, optionsTold, ownEnvironment, packageOf, type Examined, type Subject } from './subject.js';

/** Arguments of the command line, which take precedence over the environment. */
export interface Given {
  readonly pid?: number | undefined;
  /** Variables of the app, which override this shell's. */
  readonly env?: Environment | undefined;
  /** `host:port` of the agent. */
  readonly admin?: string | undefined;
  readonly service?: string | undefined;
  readonly nacos?: string | undefined;
  readonly namespace?: string | undefined;
  readonly nacosGroup?: string | undefined;
  readonly nacosUsername?: string | undefined;
  readonly nacosPassword?: string | undefined;
  readonly nacosTransport?: 'http' | 'grpc' | 'auto' | undefined;
}

/** The result. */
export interface Examination {
  /** false: a problem breaks lanes. */
  readonly ok: boolean;
  readonly examined: string;
  readonly service: string | null;
  readonly tag: string | null;
  readonly findings: readonly Finding[];
}

/** The SDK of apps that use gRPC with Nacos, and the agent's instrumentation of it. */
const GRPC_SDK = 'nacos-sdk-rust-binding-node';
const GRPC_INSTRUMENTATION = 'nacos-grpc';
const DEFAULT_NACOS = '127.0.0.1:8848';
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '[::]']);

/** Examines an app. `commandVariables`: variables that the `lane` command reads. Rejects only for unusable arguments. */
export async function examine(given: Given, commandVariables: readonly string[]): Promise<Examination> {
  const findings = new Findings();
  const { examined, problem } = await whatIsMeant(given);
  const { status, options } = examined;
  const tell = (): Examination => ({
    ok: findings.all.every(({ level }) => level !== 'error'),
    examined: examined.what,
    service: serviceOf(examined, given) ?? null,
    tag: status === undefined ? (options.tag ?? null) : status.tag,
    findings: findings.all,
  });
  if (problem !== undefined && given.admin !== undefined && given.pid === undefined) {
    findings.error('agent', problem, 'is the app up, on this machine, and was it started with LANE_ADMIN_PORT?');
    return tell();
  }
  checkNode(examined, findings);
  checkAgent(examined, findings);
  if (problem !== undefined) {
    const remedy = 'is the app up, and on this machine?';
    if (given.pid === undefined) findings.note('agent', problem, remedy);
    else findings.error('agent', problem, 'the log of the app says why its admin port is not open');
  }
  checkInstrumentations(examined, findings);
  if (Object.keys(examined.environment).length > 0) checkNames(examined, commandVariables, findings);
  checkValues(examined, findings);
  await checkRegistry(examined, given, findings);
  return tell();
}

/** The subject, with its agent's report; `problem`: why an agent that should answer does not. */
async function whatIsMeant(given: Given): Promise<{ readonly examined: Examined; readonly problem: string | undefined }> {
  if (given.pid !== undefined) {
    const subject = await processOf(given.pid);
    const read = optionsOf(subject);
    const status = given.admin === undefined ? await askFreePort(subject, read.options) : undefined;
    if (status !== undefined) return { examined: { ...subject, ...read, status }, problem: undefined };
    return withStatus({ ...subject, ...read }, given.admin ?? adminOf(read.options));
  }
  if (given.admin === undefined) {
    const subject = ownEnvironment({ ...process.env, ...given.env }, process.cwd());
    const read = optionsOf(subject);
    return withStatus({ ...subject, ...read }, adminOf(read.options));
  }
  const asked = await askAgent(given.admin);
  if ('problem' in asked) {
    const subject = agentAt(given.admin);
    return { examined: { ...subject, ...optionsOf(subject), status: undefined }, problem: asked.problem };
  }
  const { status } = asked;
  const port = Number(/\d+$/.exec(given.admin)?.[0]);
  const local = await processOf(status.pid).catch(() => undefined);
  // The agent may be on another machine or in another container, and this process have its id by chance.
  const isIt = local?.listens.some((one) => one.port === port) === true;
  return {
    examined: isIt ? { ...local, ...optionsOf(local), status } : { ...agentAt(given.admin), options: optionsTold(status), problems: [], status },
    problem: undefined,
  };
}

async function withStatus(
  subject: Omit<Examined, 'status'>,
  address: string | undefined,
): Promise<{ readonly examined: Examined; readonly problem: string | undefined }> {
  const asked = address === undefined ? undefined : await askAgent(address);
  if (asked === undefined || 'problem' in asked) return { examined: { ...subject, status: undefined }, problem: asked?.problem };
  return { examined: { ...subject, status: asked.status }, problem: undefined };
}

function adminOf({ adminPort, adminHost }: AgentOptions): string | undefined {
  return adminPort === undefined || adminPort === 0 ? undefined : addressOf(WILDCARDS.has(adminHost) ? '127.0.0.1' : adminHost, adminPort);
}

/**
 * With LANE_ADMIN_PORT=0, asks each port of the process on the agent's address. One may be the app's own, which then gets a request for
 * /status, too.
 */
async function askFreePort({ pid, listens }: Subject, { adminPort, adminHost }: AgentOptions): Promise<Examined['status']> {
  if (adminPort !== 0) return undefined;
  for (const { port } of listens.filter(({ address }) => address === adminHost)) {
    const asked = await askAgent(addressOf(adminHost, port));
    if ('status' in asked && asked.status.pid === pid) return asked.status;
  }
  return undefined;
}

function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function checkRegistry(examined: Examined, given: Given, findings: Findings): Promise<void> {
  const { status } = examined;
  const asked = target(examined, given);
  if (examined.options.registry === 'kubernetes' && !asked.isCertain) {
    findings.note(
      'nacos',
      'the registry is Kubernetes (LANE_REGISTRY=kubernetes): Nacos is not asked',
      'the log of the app says what the agent does not find there',
    );
    await checkLaneGroups({ examined, service: serviceOf(examined, given), connection: undefined }, findings);
    return;
  }
  let connection: NacosConnection;
  try {
    connection = connect(asked, examined, given);
  } catch (error) {
    if (!(error instanceof NacosError)) throw error;
    findings.error('nacos', ...splitMessage(error.message));
    return;
  }
  try {
    const reached = await checkNacos(connection, asked, findings);
    const told = nacosOf(status);
    if (told?.reachable === false) {
      findings.error('nacos', `the agent itself can't reach Nacos at ${told.server}: it uses what it knew last`, 'check the network between the two');
    }
    for (const { path, message } of status?.laneGroups.problems ?? []) {
      findings.error('lane-groups', `the agent rejected the newest lane groups: ${path}: ${message}`, 'correct them with lane group apply FILE');
    }
    if (reached) await checkLanes({ examined, service: serviceOf(examined, given), group: groupOf(examined, given), connection }, findings);
  } finally {
    await connection.close();
  }
}

/** What the agent reports about Nacos, if that is its registry. */
function nacosOf(status: StatusReport | undefined): NonNullable<StatusReport['registry']> | undefined {
  return status?.registry?.kind === 'nacos' ? status.registry : undefined;
}

function target(examined: Examined, given: Given): NacosTarget {
  const { options, status } = examined;
  const told = nacosOf(status);
  const [server, from] =
    given.nacos !== undefined
      ? [given.nacos, '--nacos']
      : told !== undefined
        ? [told.server, 'the agent says so']
        : options.nacosServer !== undefined
          ? [options.nacosServer, 'LANE_NACOS_SERVER']
          : [DEFAULT_NACOS, 'the default of this command'];
  const transport = given.nacosTransport ?? (told === undefined ? options.nacosTransport : told.transport === 'grpc' ? 'grpc' : 'http');
  return {
    server,
    from,
    isCertain: server !== DEFAULT_NACOS || from !== 'the default of this command',
    namespace: given.namespace ?? told?.namespace ?? options.nacosNamespace ?? 'public',
    transport,
    usesGrpc:
      status === undefined
        ? installedFolder(examined, GRPC_SDK) !== undefined
        : status.instrumentations.some(({ name, state }) => name === GRPC_INSTRUMENTATION && state === 'on'),
  };
}

function connect({ server, namespace, transport }: NacosTarget, examined: Examined, given: Given): NacosConnection {
  const { options } = examined;
  return connectNacos({
    server,
    namespace,
    group: groupOf(examined, given),
    username: given.nacosUsername ?? options.nacosUsername,
    password: given.nacosPassword ?? options.nacosPassword,
    transport,
    log: SILENT_LOG,
    holdProcess: true,
  });
}

function groupOf({ options }: Examined, given: Given): string {
  return given.nacosGroup ?? options.nacosGroup;
}

/** The name by which to look for the app in Nacos. */
function serviceOf(examined: Examined, given: Given): string | undefined {
  const { status, options } = examined;
  return given.service ?? status?.registrations[0]?.service ?? options.service ?? status?.service ?? nameOfPackage(examined);
}

function nameOfPackage({ root, cwd, argv }: Examined): string | undefined {
  const script = argv.slice(1).find((word) => /\.[cm]?[jt]s$/.test(word) && !word.startsWith('-'));
  const file = script === undefined ? join(cwd, 'x') : isAbsolute(script) ? script : join(cwd, script);
  return packageOf(root, join(dirname(file), 'x'))?.name;
}
