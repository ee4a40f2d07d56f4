/**
 * Sends the framing cases of test/security/gateway also to nginx, HAProxy and Envoy, each in front of its own recorder. Servers differ
 * in what they refuse; the gateway must not accept what all three refuse. Prints a table.
 */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { freePort } from '@lane/testing/ports';
import { startEnvoyEntry } from '../entries/envoy.js';
import { startHaproxy } from '../entries/haproxy.js';
import { startNginx } from '../entries/nginx.js';
import { FRAMING_CASES, type FramingCase } from '../../security/gateway/framing-cases.js';
import { gatewayTo, startRecorder } from '../../security/gateway/support.js';

/** A server that listens on a port, in front of a recorder on another port. */
type Start = (backend: number) => Promise<{ readonly port: number; stop(): Promise<void> }>;

const PROXIES: Readonly<Record<string, Start>> = {
  lane: async (backend) => {
    const gateway = await gatewayTo(backend);
    return { port: gateway.port, stop: () => gateway.close(0) };
  },
  nginx: async (backend) => {
    const port = await freePort();
    const location = `proxy_pass http://127.0.0.1:${backend}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;`;
    return startNginx(`server { listen 127.0.0.1:${port}; location / { ${location} } }`, port);
  },
  haproxy: async (backend) => {
    const port = await freePort();
    return startHaproxy(
      `defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\nfrontend in\n  bind 127.0.0.1:${port}\n  default_backend out\nbackend out\n  server one 127.0.0.1:${backend}\n`,
      port,
    );
  },
  envoy: async (backend) => {
    const port = await freePort();
    const address = (to: number): object => ({ socket_address: { address: '127.0.0.1', port_value: to } });
    const type = (name: string): object => ({ '@type': `type.googleapis.com/envoy.extensions.filters.${name}` });
    const manager = {
      ...type('network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'in',
      codec_type: 'HTTP1',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'out' } }] }] },
      http_filters: [{ name: 'router', typed_config: type('http.router.v3.Router') }],
    };
    const configuration = {
      static_resources: {
        listeners: [{ name: 'in', address: address(port), filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] }],
        clusters: [
          {
            name: 'out',
            connect_timeout: '5s',
            type: 'STATIC',
            load_assignment: { cluster_name: 'out', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(backend) } }] }] },
          },
        ],
      },
    };
    return startEnvoyEntry(JSON.stringify(configuration), port);
  },
};

/** The result of a case: the status of the first answer, and whether the recorder got the request, part of it, or another one. */
interface Outcome {
  readonly status: string;
  readonly seen: readonly string[];
}

const isTaken = ({ status, seen }: Outcome): boolean => status.startsWith('2') && seen.length > 0;
const isSmuggled = ({ seen }: Outcome): boolean => seen.some((one) => one.includes('/smuggled'));

async function outcomesOf(start: Start): Promise<Outcome[]> {
  const recorder = await startRecorder();
  const proxy = await start(recorder.port);
  const outcomes: Outcome[] = [];
  try {
    for (const [, sent] of FRAMING_CASES) {
      recorder.seen.length = 0;
      const answer = await answerTo(proxy.port, sent);
      outcomes.push({
        status: /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? (answer === '' ? 'closed' : 'odd'),
        seen: recorder.seen.filter((one) => !one.includes('/normal')),
      });
      await expect.poll(() => normalAnswer(proxy.port), { timeout: 60_000 }).toMatch(/^HTTP\/1\.1 200 /);
    }
  } finally {
    await proxy.stop();
    recorder.server.closeAllConnections();
    recorder.server.close();
  }
  return outcomes;
}

/** How long a connection is silent whose server waits for more data. */
const SILENT_MS = 1_000;
const NORMAL = 'GET /normal HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

/** Everything that comes back, until the connection ends or stays silent, although the proxy has answered another request since: it is not merely slow. */
function answerTo(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    let answer = '';
    let isSilent = false;
    socket.on('data', (chunk: string) => {
      answer += chunk;
      isSilent = false;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
    socket.setTimeout(SILENT_MS);
    socket.on('timeout', () => {
      if (isSilent) return void socket.destroy();
      isSilent = true;
      void normalAnswer(port).then(() => socket.setTimeout(SILENT_MS));
    });
    socket.write(text, 'latin1');
  });
}

/** The answer to an ordinary request, however long it takes. */
function normalAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1').setEncoding('latin1');
    let answer = '';
    socket.on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(answer));
    socket.write(NORMAL);
  });
}

function wordOf(outcome: Outcome): string {
  return `${outcome.status}${isSmuggled(outcome) ? ' SMUGGLED' : isTaken(outcome) ? ' taken' : outcome.seen.length > 0 ? ' in part' : ''}`;
}

test('the gateway refuses what nginx, HAProxy and Envoy all refuse, and nothing is smuggled through it', async () => {
  const names = Object.keys(PROXIES);
  const outcomes = await Promise.all(Object.values(PROXIES).map(outcomesOf));
  const rows = FRAMING_CASES.map(([what], i) => [what, ...outcomes.map((of) => wordOf(of[i] as Outcome))]);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell.padEnd(i === 0 ? 46 : 15))
      .join(' ')
      .trimEnd();
  console.log([line(['', ...names]), ...rows.map(line)].join('\n'));

  const [ours, ...others] = outcomes as [Outcome[], ...Outcome[][]];
  const alone = FRAMING_CASES.filter((_one: FramingCase, i) => isTaken(ours[i] as Outcome) && !others.some((of) => isTaken(of[i] as Outcome)));
  expect(alone.map(([what]) => what)).toEqual([]);
  expect(FRAMING_CASES.filter((_one, i) => isSmuggled(ours[i] as Outcome)).map(([what]) => what)).toEqual([]);
  // All four work: each accepts an ordinary request.
  expect(outcomes.map((of) => isTaken(of[0] as Outcome))).toEqual([true, true, true, true]);
});
