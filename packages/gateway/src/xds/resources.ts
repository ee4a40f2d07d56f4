/** Resources for Envoys: clusters, endpoints and routes, from the same plan as `lane gateway export envoy`. */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { ServiceKey, Tag } from '@lane/core/model';
import { ENVOY_DNS, envoyCluster, envoyEndpoints, envoyListener, envoyRoutes, ENVOY_RUNTIME, hasNumbersOnly } from '../export/envoy.js';
import { isComplete, planExport, type ExportSource, type Plan } from '../export/plan.js';

/** The cluster by which an Envoy finds its controller, and so the Host of its requests. */
export const XDS_CLUSTER = 'lane_xds';
/** The only route configuration. */
export const ROUTES_NAME = 'lane';

/** A resource: protobuf's JSON, and its hash as version, so that a restarted controller agrees with the one before. */
export interface Resource {
  readonly version: string;
  readonly content: object;
}

/** All resources for Envoys at one time. */
export interface XdsResources {
  /** By name. Those without a row in `endpoints` contain their addresses, because these have to be resolved. */
  readonly clusters: ReadonlyMap<string, Resource>;
  /** By the name of the cluster. */
  readonly endpoints: ReadonlyMap<string, Resource>;
  readonly routes: Resource;
  /** Whether every route leads to instances. */
  readonly isComplete: boolean;
  readonly plan: Plan;
}

/** Plans an export and creates its resources. Throws {@link ExportError}. */
export function xdsResources(source: ExportSource): XdsResources {
  const plan = planExport(source, true, clusterName);
  const routes = resource({ '@type': typeUrl('config.route.v3.RouteConfiguration'), ...envoyRoutes(plan), validate_clusters: true });
  const clusters = new Map<string, Resource>();
  const endpoints = new Map<string, Resource>();
  for (const upstream of plan.upstreams) {
    const { name } = upstream;
    if (hasNumbersOnly(upstream)) {
      clusters.set(name, clusterByEndpoints(name));
      endpoints.set(name, resource({ '@type': typeUrl('config.endpoint.v3.ClusterLoadAssignment'), ...envoyEndpoints(upstream) }));
    } else {
      const resolved = { ...ENVOY_DNS, load_assignment: envoyEndpoints(upstream) };
      clusters.set(name, resource({ '@type': CLUSTER_TYPE, ...envoyCluster(name, resolved) }));
    }
  }
  return { clusters, endpoints, routes, isComplete: isComplete(plan), plan };
}

/** The cluster of this name, whose endpoints are fetched separately by that name. */
export function clusterByEndpoints(name: string): Resource {
  const source = { type: 'EDS', eds_cluster_config: { eds_config: configSource() } };
  return resource({ '@type': CLUSTER_TYPE, ...envoyCluster(name, source) });
}

const CLUSTER_TYPE = typeUrl('config.cluster.v3.Cluster');

/**
 * The name of a cluster identifies its instances independently of others: an Envoy keeps using a cluster of that name with its
 * previous addresses.
 */
const clusterName = ({ name, group }: ServiceKey, tag: Tag | undefined): string =>
  `${group === 'DEFAULT_GROUP' ? '' : `${encodeURIComponent(group)}/`}${encodeURIComponent(name)}${tag === undefined ? '' : `:${tag}`}`;

function typeUrl(type: string): string {
  return `type.googleapis.com/envoy.${type}`;
}

function resource(content: object): Resource {
  return { content, version: versionOf(JSON.stringify(content)) };
}

/** A version for a text. */
export function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** How an Envoy polls: it waits up to 30 s for an answer, and 0.2 to 0.4 s before the next request. */
function configSource(): object {
  return {
    resource_api_version: 'V3',
    // It does not listen before it has its resources, however long the controller is down.
    initial_fetch_timeout: '0s',
    api_config_source: {
      api_type: 'REST',
      transport_api_version: 'V3',
      cluster_names: [XDS_CLUSTER],
      refresh_delay: '0.2s',
      request_timeout: '30s',
    },
  };
}

/** The controller's address, and the Envoy's name. */
export interface BootstrapOptions {
  /** Where the Envoy reaches the controller. */
  readonly host: string;
  readonly port: number;
  /** The name that identifies the Envoy to the controller: each has its own. */
  readonly node: string;
}

/** The bootstrap file of an Envoy: its listener, and where it fetches the rest. Throws {@link ExportError}. */
export function xdsBootstrap(source: ExportSource, { host, port, node }: BootstrapOptions): object {
  const plan = planExport(source, false, clusterName);
  const address = { socket_address: { address: host, port_value: port } };
  const controller = {
    name: XDS_CLUSTER,
    ...(isIP(host) !== 0 ? { type: 'STATIC' } : ENVOY_DNS),
    connect_timeout: '1s',
    load_assignment: { cluster_name: XDS_CLUSTER, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
  return {
    node: { id: node, cluster: 'lane' },
    layered_runtime: ENVOY_RUNTIME,
    dynamic_resources: { cds_config: configSource() },
    static_resources: {
      listeners: [envoyListener(plan, { rds: { route_config_name: ROUTES_NAME, config_source: configSource() } })],
      clusters: [controller],
    },
  };
}
