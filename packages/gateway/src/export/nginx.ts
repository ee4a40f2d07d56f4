/**
 * nginx: a file for its `http` block (conf.d). Rules are variables (`nginx-conditions.ts`), and so is the baggage (`nginx-baggage.ts`);
 * locations choose an upstream by them.
 */
import type { Tag } from '@lane/core/model';
import { escapeRegex } from './condition.js';
import { baggageVariable, clientBaggage } from './nginx-baggage.js';
import { laneVariable } from './nginx-conditions.js';
import { block, quote, Variables } from './nginx-syntax.js';
import { hostPort, hostsOf, routesOfHost, takesEveryPath, wholeWeights, type Plan, type PlannedRoute, type Upstream } from './plan.js';
import type { ExportTarget } from './target.js';

/** nginx. */
export const nginx: ExportTarget = {
  name: 'nginx',
  title: 'nginx 1.15.3 or later',
  output: 'a file for the http block',
  file: 'lane.conf',
  needsAddresses: true,
  check: 'nginx -t -q',
  reload: 'nginx -s reload',
  write: exportNginx,
};

function exportNginx(plan: Plan): string {
  const variables = new Variables();
  const baggage = clientBaggage(plan, variables);
  const servers = hostsOf(plan).map((host) => serverOf(plan, variables, host, baggage));
  if (!hostsOf(plan).includes('*'))
    servers.push(block('server', [`listen ${plan.port} default_server`, 'server_name _', block('location /', ['return 404'])]));
  return [
    '',
    ...plan.upstreams.map(upstreamBlock),
    'map $http_upgrade $lane_connection {\n    default upgrade;\n    "" "";\n}',
    ...variables.blocks,
    ...servers,
    '',
  ].join('\n');
}

function upstreamBlock({ name, instances }: Upstream): string {
  const weights = wholeWeights(instances);
  const lines = instances.map((instance, i) => `server ${hostPort(instance)}${weights[i] === 1 ? '' : ` weight=${weights[i]}`}`);
  // It closes idle connections before Node's servers do (`keepAliveTimeout`, 5 s), which could lose the next request.
  return block(`upstream ${name}`, [...lines, 'keepalive 32', 'keepalive_timeout 4s']);
}

function serverOf(plan: Plan, variables: Variables, host: string, baggage: string): string {
  const locations = new Map<string, string>();
  for (const route of routesOfHost(plan, host))
    for (const match of locationsOf(route)) if (!locations.has(match)) locations.set(match, locationBlock(plan, variables, match, route, baggage));
  if (!locations.has('/')) locations.set('/', block('location /', ['return 404']));
  const lines = [`listen ${plan.port}${host === '*' ? ' default_server' : ''}`, `server_name ${serverName(host)}`, ...locations.values()];
  return block('server', lines);
}

/** The longest names that fit into nginx's default hash table of names. */
const MAX_TABLE_NAME = 40;

function serverName(host: string): string {
  if (host === '*') return '_';
  if (host.startsWith('*.')) return quote(`~^[^.]+${escapeRegex(host.slice(1))}$`);
  return host.length > MAX_TABLE_NAME ? quote(`~^${escapeRegex(host)}$`) : quote(host);
}

function locationsOf(route: PlannedRoute): string[] {
  if (takesEveryPath(route)) return ['/'];
  const whole = `= ${quote(route.path)}`;
  return route.pathType === 'exact' ? [whole] : [whole, `^~ ${quote(`${route.path}/`)}`];
}

function locationBlock(plan: Plan, variables: Variables, match: string, route: PlannedRoute, baggage: string): string {
  const lane = laneVariable(plan, variables, route);
  /** A variable with a value for each tag of the route, and one without a tag. */
  const byTag = (valueOf: (tag: Tag | undefined) => string, prefix?: string): string => {
    const tagged = route.tags.map((tag) => `${quote(`~^${escapeRegex(tag)}$`)} ${variables.literal(valueOf(tag))}`);
    return variables.define('map', lane, [`default ${variables.literal(valueOf(undefined))}`, ...tagged], prefix);
  };
  const upstream = byTag((tag) => route.upstreamOf(tag)?.name ?? '', 'lane_upstream');
  const written = new Map(plan.writtenHeaders.map((header) => [header.name, header]));
  const headers = plan.ownHeaders.map((name) => {
    const header = written.get(name);
    const value = header === undefined ? '""' : byTag((tag) => (tag === undefined ? '' : header.valueOf(tag)));
    return `proxy_set_header ${name} ${value}`;
  });
  const canBeNowhere = [undefined, ...route.tags].some((tag) => route.upstreamOf(tag) === undefined);
  return block(`location ${match}`, [
    ...(canBeNowhere ? [`if (${upstream} = "") { return 503; }`] : []),
    `proxy_pass http://${upstream}`,
    'proxy_http_version 1.1',
    'proxy_set_header Host $http_host',
    'proxy_set_header Upgrade $http_upgrade',
    'proxy_set_header Connection $lane_connection',
    'proxy_set_header X-Forwarded-For $remote_addr',
    'proxy_set_header X-Forwarded-Proto $scheme',
    'proxy_set_header X-Forwarded-Host $http_host',
    'proxy_buffering off',
    'proxy_request_buffering off',
    `proxy_set_header baggage ${baggageVariable(plan, variables, lane, baggage)}`,
    ...headers,
  ]);
}
