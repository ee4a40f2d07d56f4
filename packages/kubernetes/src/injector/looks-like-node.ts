/**
 * Whether a container runs Node, judging by its command, image and variables. An image with a custom name and no command
 * proves nothing: then we inject as asked, because NODE_OPTIONS does nothing to other programs.
 */
import { REGISTER_FILE } from './names.js';
import type { Container } from '../pod.js';

/** What was seen. */
export interface Look {
  readonly verdict: 'node' | 'other' | 'unknown';
  readonly because: string;
}

const NODE_COMMANDS = new Set(
  'node nodejs npm npx yarn pnpm corepack tsx ts-node nodemon pm2 pm2-runtime pm2-docker next nuxt nest egg-scripts midway-bin strapi remix-serve'.split(
    ' ',
  ),
);
const OTHER_COMMANDS = new Set(
  (
    'java python python3 gunicorn uvicorn celery flask ruby bundle rails puma php php-fpm apache2 httpd nginx haproxy envoy pilot-agent dotnet postgres ' +
    'mysqld mariadbd mongod redis-server redis-sentinel memcached rabbitmq-server beam.smp etcd consul vault traefik caddy fluentd fluent-bit filebeat ' +
    'telegraf prometheus grafana-server cloudflared linkerd2-proxy deno bun'
  ).split(' '),
);
/** Full names of repositories whose images look like Node but are not. */
const OTHER_REPOSITORIES =
  /^(node-exporter|node-problem-detector|node-feature-discovery|node-local-dns|k8s-dns-node-cache|csi-node-driver-registrar|.*-node-exporter)$/;
const NODE_WORDS = new Set(['node', 'nodejs', 'nestjs', 'nextjs', 'express', 'egg', 'midway', 'strapi', 'ghost']);
const OTHER_WORDS = new Set(
  (
    'java openjdk jdk jre temurin corretto tomcat jetty spring python django flask golang ruby rails php wordpress dotnet aspnet nginx httpd apache haproxy ' +
    'envoy proxyv2 traefik caddy redis valkey postgres postgresql mysql mariadb mongo mongodb cassandra memcached rabbitmq kafka zookeeper nacos etcd consul ' +
    'vault elasticsearch opensearch clickhouse minio influxdb fluentd fluent fluentbit filebeat logstash telegraf prometheus grafana alertmanager jaeger zipkin ' +
    'opentelemetry otel collector datadog linkerd istio cilium calico coredns pause busybox alpine debian ubuntu centos oauth2 cloudsql deno bun'
  ).split(' '),
);
const NODE_VARIABLES = ['NODE_ENV', 'NODE_PATH', 'NODE_EXTRA_CA_CERTS', 'UV_THREADPOOL_SIZE', 'NODE_OPTIONS'];
const OTHER_VARIABLES = [
  'JAVA_HOME',
  'JAVA_OPTS',
  'JAVA_TOOL_OPTIONS',
  'JVM_OPTS',
  'PYTHONPATH',
  'PYTHONUNBUFFERED',
  'GOMAXPROCS',
  'GOMEMLIMIT',
  'DOTNET_RUNNING_IN_CONTAINER',
  'RAILS_ENV',
];

/** Checks one container: first what is certain (the command), then what is likely. */
export function lookAt(container: Container): Look {
  return byCommand(container) ?? byRepository(container) ?? byVariables(container) ?? { verdict: 'unknown', because: 'unknown what it runs' };
}

function byCommand({ command = [], args = [] }: Container): Look | undefined {
  const words = [...command, ...args].flatMap((text) => text.split(/[\s;&|()"']+/)).filter((word) => word !== '');
  const names = words.map((word) => word.slice(word.lastIndexOf('/') + 1));
  const node = names.find((name) => NODE_COMMANDS.has(name));
  if (node !== undefined) return { verdict: 'node', because: `it runs ${node}` };
  if (command.some((word) => /\.[cm]?[jt]s$/.test(word))) return { verdict: 'node', because: 'it runs a JavaScript file' };
  // Only as the command: among the arguments it may be a host name.
  const other = command.length > 0 ? namesOfCommands(command).find((name) => OTHER_COMMANDS.has(name)) : undefined;
  return other === undefined ? undefined : { verdict: 'other', because: `it runs ${other}` };
}

function namesOfCommands(command: readonly string[]): string[] {
  const first = (command[0] ?? '').split('/').pop() ?? '';
  const isShell = /^(ba|da|a|z)?sh$/.test(first);
  const programs = isShell
    ? command.slice(1).flatMap((text) =>
        text.split(/[;&|]+/).map(
          (part) =>
            part
              .trim()
              .replace(/^exec\s+/, '')
              .split(/\s+/)[0] ?? '',
        ),
      )
    : [first];
  return programs.map((program) => program.split('/').pop() ?? '');
}

function byRepository({ image = '' }: Container): Look | undefined {
  const repository =
    image
      .replace(/@.*$/, '')
      .replace(/:[^:/]*$/, '')
      .split('/')
      .pop() ?? '';
  if (OTHER_REPOSITORIES.test(repository)) return { verdict: 'other', because: `image ${repository}` };
  // `node22` too.
  const words = repository
    .toLowerCase()
    .split(/[-_.]/)
    .flatMap((word) => [word, word.replace(/\d+$/, '')]);
  const node = words.find((word) => NODE_WORDS.has(word));
  if (node !== undefined) return { verdict: 'node', because: `image ${repository}` };
  const other = words.find((word) => OTHER_WORDS.has(word));
  return other === undefined ? undefined : { verdict: 'other', because: `image ${repository}` };
}

function byVariables({ env = [] }: Container): Look | undefined {
  const has = (names: readonly string[]): string | undefined =>
    // Ours does not count: a second run must reach the same result.
    names.find((name) => env.some((variable) => variable.name === name && !(variable.value ?? '').includes(REGISTER_FILE)));
  const node = has(NODE_VARIABLES);
  if (node !== undefined) return { verdict: 'node', because: `variable ${node}` };
  const other = has(OTHER_VARIABLES);
  return other === undefined ? undefined : { verdict: 'other', because: `variable ${other}` };
}
