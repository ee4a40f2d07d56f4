/** Checks whether Nacos can be reached as the agent would reach it, and has what the agent needs. */
import { connect } from 'node:net';
import { NacosError, parseServers, type NacosConnection, type ServerAddress } from '@lane/nacos-registry';
import type { Findings } from './finding.js';

/** The address of Nacos, and its source. */
export interface NacosTarget {
  readonly server: string;
  readonly namespace: string;
  readonly transport: 'http' | 'grpc' | 'auto' | undefined;
  readonly from: string;
  /** false: an assumption; Nacos may be elsewhere. */
  readonly isCertain: boolean;
  /** Whether the app uses gRPC with it, whatever the agent uses. */
  readonly usesGrpc: boolean;
}

const CONNECT_MS = 3_000;
/** Nacos listens for gRPC at its port + 1000. */
const GRPC_OFFSET = 1_000;

/** Checks the servers. Returns whether further checks make sense. */
export async function checkNacos(connection: NacosConnection, target: NacosTarget, findings: Findings): Promise<boolean> {
  const check = await connection.check();
  if (!check.ok) {
    const [message, remedy] = splitMessage(check.problem);
    if (target.isCertain) findings.error('nacos', message, remedy);
    else {
      findings.note(
        'nacos',
        `${message}; this may not be the app's Nacos: the agent uses the one that the app's own Nacos client uses`,
        'pass --nacos host:port, or start the app with LANE_ADMIN_PORT, so that its agent can tell',
      );
    }
    return false;
  }
  findings.ok('nacos', `Nacos at ${target.server} answers over ${connection.transport} (${target.from})`);
  if (connection.transport === 'grpc' || target.usesGrpc) await checkGrpcPorts(parseServers(target.server), findings);
  return checkNamespace(connection, findings);
}

async function checkGrpcPorts(servers: readonly ServerAddress[], findings: Findings): Promise<void> {
  for (const { host, port } of servers) {
    const grpc = port + GRPC_OFFSET;
    const problem = await tryToConnect(host, grpc);
    if (problem === undefined) findings.ok('nacos', `port ${grpc} of ${host} accepts connections, for gRPC`);
    else {
      findings.error(
        'nacos',
        `port ${grpc} of ${host}, where Nacos serves gRPC (its port + ${GRPC_OFFSET}), can't be reached (${problem})`,
        `open port ${grpc} beside ${port} in firewalls, Services and containers, or use LANE_NACOS_TRANSPORT=http`,
      );
    }
  }
}

function tryToConnect(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(CONNECT_MS, () => end('no answer in time'));
    const end = (problem?: string): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.on('connect', () => end());
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}

async function checkNamespace(connection: NacosConnection, findings: Findings): Promise<boolean> {
  const { namespace } = connection;
  let known;
  try {
    known = await connection.namespaces();
  } catch (error) {
    if (!(error instanceof NacosError)) throw error;
    findings.note('nacos', `can't tell whether there is a namespace ${namespace}: ${error.message}`);
    return true;
  }
  if (known.some(({ id }) => id === namespace)) {
    findings.ok('nacos', `there is a namespace ${namespace}`);
    return true;
  }
  const named = known.find(({ name }) => name === namespace);
  findings.error(
    'nacos',
    named === undefined ? `there is no namespace ${namespace}` : `${namespace} is the name of a namespace, not its id`,
    named === undefined
      ? `there are ${known.map(({ id, name }) => (id === name ? id : `${id} (${name})`)).join(', ')}`
      : `set LANE_NACOS_NAMESPACE=${named.id}`,
  );
  return false;
}

/** Splits a message of ours into cause and remedy, at the last colon. */
export function splitMessage(message: string): [message: string, remedy: string] {
  const at = message.lastIndexOf(': ');
  return at === -1 ? [message, 'check the log of Nacos'] : [message.slice(0, at), message.slice(at + 2)];
}
