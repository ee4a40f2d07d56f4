/** Whether Nacos can be reached as the agent would, and has what is asked of it. */
import { connect } from 'node:net';
import { NacosError, parseServers, type NacosConnection, type ServerAddress } from '@lane/nacos-registry';
import type { Findings } from './finding.js';

/** Where Nacos is, and who says so. */
export interface NacosTarget {
  readonly server: string;
  readonly namespace: string;
  readonly transport: 'http' | 'grpc' | 'auto' | undefined;
  readonly from: string;
  /** false: nobody has said so, and it may be another one. */
  readonly isCertain: boolean;
  /** Whether the app speaks gRPC with it, beside what the agent does. */
  readonly usesGrpc: boolean;
}

const CONNECT_MS = 3_000;
/** Nacos listens for gRPC at its port + 1000. */
const GRPC_OFFSET = 1_000;

/** Checks the servers. Gives whether there is any use in looking further. */
export async function checkNacos(connection: NacosConnection, target: NacosTarget, findings: Findings): Promise<boolean> {
  const check = await connection.check();
  if (!check.ok) {
    const [message, remedy] = splitMessage(check.problem);
    if (target.isCertain) findings.error('nacos', message, remedy);
    else {
      findings.note(
        'nacos',
        `${message}; nothing says that the app uses it: the agent goes where the app's own Nacos client goes`,
        'name it with --nacos host:port, or give the app LANE_ADMIN_PORT, where its agent tells',
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
    if (problem === undefined) findings.ok('nacos', `port ${grpc} of ${host} takes connections, for gRPC`);
    else {
      findings.error(
        'nacos',
        `port ${grpc} of ${host}, where Nacos takes gRPC (its port + ${GRPC_OFFSET}), can't be reached (${problem})`,
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
    findings.note('nacos', `whether there is a namespace ${namespace} can't be told: ${error.message}`);
    return true;
  }
  if (known.some(({ id }) => id === namespace)) {
    findings.ok('nacos', `there is a namespace ${namespace}`);
    return true;
  }
  const named = known.find(({ name }) => name === namespace);
  findings.error(
    'nacos',
    named === undefined ? `there is no namespace ${namespace}` : `${namespace} is the name of a namespace, and its id is wanted`,
    named === undefined
      ? `there are ${known.map(({ id, name }) => (id === name ? id : `${id} (${name})`)).join(', ')}`
      : `set LANE_NACOS_NAMESPACE=${named.id}`,
  );
  return false;
}

/** A message of ours as cause and remedy: what follows the last colon. */
export function splitMessage(message: string): [message: string, remedy: string] {
  const at = message.lastIndexOf(': ');
  return at === -1 ? [message, 'look at its log'] : [message.slice(0, at), message.slice(at + 2)];
}
