/** Envoy 1.40 from PyPI: one cluster per service, with lanes as subsets; header_to_metadata reads the tag from `baggage`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder, startService, type Service } from '../../servers/process.js';
import { envoyProgram } from '../envoy-program.js';

/** An instance as Envoy knows it. */
export interface Endpoint {
  readonly port: number;
  readonly tag: string | undefined;
}

/**
 * The last `lane` entry's value up to its properties. A comma is always a separator: baggage has no quoting.
 * Any other header also matches, and gives an empty value: Envoy would take a header that does not match, such as `gray`, for the lane.
 */
const LANE_ENTRY = '^(?:(?:.*,)?[ \\t]*lane[ \\t]*=[ \\t]*([^,;]*?)[ \\t]*(?:[,;].*)?|.*)$';

const typed = (type: string, value: object): object => ({ '@type': `type.googleapis.com/${type}`, ...value });

function cluster(name: string, endpoints: readonly Endpoint[]): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    lb_subset_config: {
      fallback_policy: 'DEFAULT_SUBSET',
      default_subset: { lane: 'base' },
      subset_selectors: [{ keys: ['lane'] }],
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [
        {
          lb_endpoints: endpoints.map(({ port, tag }) => ({
            endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
            metadata: { filter_metadata: { 'envoy.lb': { lane: tag ?? 'base' } } },
          })),
        },
      ],
    },
  };
}

function bootstrap(services: ReadonlyMap<string, readonly Endpoint[]>): object {
  const names = [...services.keys()];
  const manager = typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'oracle',
    generate_request_id: false,
    route_config: {
      virtual_hosts: names.map((name) => ({ name, domains: [name], routes: [{ match: { prefix: '/' }, route: { cluster: name } }] })),
    },
    http_filters: [
      {
        name: 'envoy.filters.http.header_to_metadata',
        typed_config: typed('envoy.extensions.filters.http.header_to_metadata.v3.Config', {
          request_rules: [
            {
              header: 'baggage',
              on_header_present: {
                metadata_namespace: 'envoy.lb',
                key: 'lane',
                type: 'STRING',
                regex_value_rewrite: { pattern: { regex: LANE_ENTRY }, substitution: '\\1' },
              },
            },
          ],
        }),
      },
      { name: 'envoy.filters.http.router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router', {}) },
    ],
  });
  return {
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: [
        {
          name: 'oracle',
          address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
          filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
        },
      ],
      clusters: [...services].map(([name, endpoints]) => cluster(name, endpoints)),
    },
  };
}

/** Starts Envoy in front of these services. */
export async function startEnvoy(services: ReadonlyMap<string, readonly Endpoint[]>): Promise<Service> {
  const folder = dataFolder('envoy');
  const config = join(folder, 'envoy.json');
  const adminAddress = join(folder, 'admin');
  writeFileSync(config, JSON.stringify(bootstrap(services)));
  const { stop } = await startService(
    await envoyProgram(),
    ['--config-path', config, '--admin-address-path', adminAddress, '--use-dynamic-base-id', '--concurrency', '1', '--log-level', 'info'],
    /starting main dispatch loop/,
    0,
    folder,
  );
  const response = await fetch(`http://${readFileSync(adminAddress, 'utf8')}/listeners?format=json`);
  const { listener_statuses: listeners } = (await response.json()) as {
    listener_statuses: [{ local_address: { socket_address: { port_value: number } } }];
  };
  return { port: listeners[0].local_address.socket_address.port_value, stop };
}
