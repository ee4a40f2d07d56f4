/** OpenTelemetry's baggage in four languages: what each reads in headers, and forwards. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defaultTextMapGetter, defaultTextMapSetter, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import { W3CBaggagePropagator } from '@opentelemetry/core';
import { download } from '../../servers/downloads.js';
import { fetchJars } from '../../servers/maven.js';
import { pythonPrograms } from '../python.js';

const OPENTELEMETRY_JAVA = '1.68.0';
const OPENTELEMETRY_PYTHON = '1.45.2';

/** How a peer reads a header. */
export interface Reading {
  /** Values by key. Only Python leaves the properties in the value. */
  readonly entries: ReadonlyMap<string, string>;
  /** The header that it forwards, one character per byte; empty if none. */
  readonly written: string;
}

/** Reads headers, one character per byte, in one batch. */
export type Peer = (headers: readonly string[]) => readonly Reading[];

/** Installs and builds the peers; returns them by language. */
export async function startPeers(): Promise<ReadonlyMap<string, Peer>> {
  const jars = await fetchJars(`opentelemetry-java-${OPENTELEMETRY_JAVA}`, [`io.opentelemetry:opentelemetry-api:${OPENTELEMETRY_JAVA}`]);
  const python = await pythonPrograms('baggage', [`opentelemetry-api==${OPENTELEMETRY_PYTHON}`]);
  const go = await buildGo();
  return new Map<string, Peer>([
    ['JavaScript', (headers) => headers.map(readInProcess)],
    ['Java', (headers) => readBy('java', ['-cp', join(jars, '*'), join(__dirname, 'Peer.java')], headers)],
    ['Python', (headers) => readBy(join(python, 'python'), [join(__dirname, 'peer.py')], headers)],
    ['Go', (headers) => readBy(go, [], headers)],
  ]);
}

async function buildGo(): Promise<string> {
  const folder = join(__dirname, '../../../.cache/baggage');
  const program = join(folder, process.platform === 'win32' ? 'peer.exe' : 'peer');
  mkdirSync(folder, { recursive: true });
  try {
    const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly' };
    await download('go', ['build', '-o', program, '.'], { cwd: join(__dirname, 'go'), env });
  } catch (error) {
    throw new Error(`could not build the Go peer; this needs Go and a module proxy. ${(error as Error).message}`);
  }
  return program;
}

const propagator = new W3CBaggagePropagator();

function readInProcess(header: string): Reading {
  const context = propagator.extract(ROOT_CONTEXT, { baggage: header }, defaultTextMapGetter);
  const written: { baggage?: string } = {};
  propagator.inject(context, written, defaultTextMapSetter);
  const entries = propagation.getBaggage(context)?.getAllEntries() ?? [];
  return { entries: new Map(entries.map(([key, { value }]) => [key, value])), written: written.baggage ?? '' };
}

/** Runs one process: headers in hexadecimal in, a line `key=value …⇥written` in hexadecimal out for each. */
function readBy(program: string, args: readonly string[], headers: readonly string[]): readonly Reading[] {
  const input = headers.map((header) => `${Buffer.from(header, 'latin1').toString('hex')}\n`).join('');
  const { stdout, stderr, status, error } = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (status !== 0) throw new Error(`${program} exited with code ${status}: ${error?.message ?? stderr}`);
  const lines = stdout.split('\n').slice(0, -1);
  if (lines.length !== headers.length) throw new Error(`${program} answered ${lines.length} of ${headers.length} headers: ${stderr}`);
  return lines.map((line) => {
    const [members = '', written = ''] = line.split('\t');
    const pairs = members.split(' ').filter((member) => member !== '');
    return {
      entries: new Map(pairs.map((pair) => pair.split('=').map((hex) => Buffer.from(hex, 'hex').toString('utf8')) as [string, string])),
      written: Buffer.from(written, 'hex').toString('latin1'),
    };
  });
}
