import { withoutCredentials } from '@lane/core/model';
import { NacosError } from './nacos-error.js';

/** The address of one Nacos server. */
export interface ServerAddress {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** Such as `/nacos`; empty for none. */
  readonly contextPath: string;
  /** `host:port`, for messages. */
  readonly label: string;
}

/** Nacos serves gRPC this far above its HTTP port (`RpcConstants`, `sdkGrpcPortOffset`). */
export const GRPC_PORT_OFFSET = 1_000;
const DEFAULT_PORT = 8848;
const DEFAULT_CONTEXT_PATH = '/nacos';

/**
 * Reads a comma-separated list of servers: `host`, `host:port`, `http://host:port/path`. The port is 8848 unless given, or the scheme's
 * own behind `http://` and `https://`, as in Nacos's Java client; the path is `/nacos` unless given.
 * Throws a NacosError for a malformed address.
 */
export function parseServers(text: string): ServerAddress[] {
  const servers = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .map(parseServer);
  if (servers.length === 0) throw invalid(text);
  return servers;
}

function parseServer(text: string): ServerAddress {
  const hasScheme = /^https?:\/\//i.test(text);
  // A path, or another scheme, would pass for a host.
  if (!hasScheme && (text.startsWith('/') || text.includes('://'))) throw invalid(text);
  let url: URL;
  try {
    url = new URL(hasScheme ? text : `http://${text}`);
  } catch {
    throw invalid(text);
  }
  if (url.hostname === '' || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') throw invalid(text);
  const secure = url.protocol === 'https:';
  // A URL drops its scheme's default port: `host:80` without a scheme is still 80.
  const schemePort = hasScheme || /:80(?:\/|$)/.test(text) ? (secure ? 443 : 80) : DEFAULT_PORT;
  const port = url.port === '' ? schemePort : Number(url.port);
  const path = url.pathname.replace(/\/+$/, '');
  return {
    secure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    contextPath: path === '' ? DEFAULT_CONTEXT_PATH : path,
    label: `${url.hostname}:${port}`,
  };
}

function invalid(text: string): NacosError {
  return new NacosError(
    'ELANE_NACOS_SERVER',
    `"${withoutCredentials(text)}" is not the address of a Nacos server: set LANE_NACOS_SERVER to host:port, or a comma-separated list of them${text.includes('@') ? ', and pass user and password in LANE_NACOS_USERNAME and LANE_NACOS_PASSWORD' : ''}`,
  );
}
