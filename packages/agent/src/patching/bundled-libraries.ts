/**
 * Libraries that a bundler has put into the app's own file. None of their files is ever loaded, so they cannot be patched. We
 * recognize them by the source paths that bundlers write, and in minified files by strings of their own.
 */
import { readFile } from 'node:fs';
import { createRequire } from 'node:module';
import type { AgentLog } from '../boot/log.js';
import type { Instrumentation } from './instrumentation.js';
import { manifestIn, packageOf } from './package-files.js';
import { safely } from './safely.js';
import { isInRange } from './version-range.js';

/** Strings that remain in a library when it is minified, and that others do not have: all of them must be present. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['grpc-node-js/'],
  amqplib: ['IllegalOperationError', 'amqplib'],
  async: ['task callback must be a function'],
  'async-lock': ['Too many pending tasks in queue'],
  bluebird: ['circular promise resolution chain', 'longStackTraces'],
  bottleneck: ['This job has been dropped by Bottleneck'],
  bull: ['Missing process handler for job type'],
  bullmq: ['BullMQ: '],
  fastq: ['fastqueue concurrency must be'],
  ioredis: ['[ioredis] Unhandled error event:'],
  kafkajs: ['KafkaJSNonRetriableError'],
  mysql: ['PROTOCOL_ENQUEUE_AFTER_'],
  mysql2: ["Can't add new command when connection is in closed state"],
  // Its URLs may also occur in an app that calls Nacos itself.
  nacos: ['[NameProxy][REGISTER-SERVICE]', '[HostReactor] '],
  nats: ['NATS_PROTOCOL_ERR'],
  pg: ['Client has already been connected. You cannot reuse a client.'],
  'p-queue': ['carryoverConcurrencyCount', 'intervalCap'],
};

const FOLDER = 'node_modules/';
/** The table has no longer paths within a package. */
const MAX_PATH = 120;
/** What ends a path: in a comment, or as the name of a module. */
const PATH = /^(?:\.pnpm\/[^/]+\/node_modules\/)?([@\w.~-][\w./~@-]*\.[cm]?js)["' \r\n]/;

/**
 * Logs, with the remedy, which libraries of `table` are bundled into the app's own file. `loaded` are those loaded from their own
 * files. Reads the file in parallel with the app's start: some 20 ms for a bundle of 10 MB.
 */
export function tellOfBundledLibraries(
  file: string | undefined,
  table: Readonly<Record<string, Instrumentation>>,
  loaded: ReadonlySet<string>,
  log: AgentLog,
): void {
  if (file === undefined) return;
  const tell = safely('bundled libraries', (content: Buffer) => {
    const found = librariesIn(content, file, table).filter((name) => !loaded.has(name));
    if (found.length === 0) return;
    const [is, it] = found.length === 1 ? ['is', 'it'] : ['are', 'them'];
    const external = found.map((name) => `'${name}'`).join(', ');
    const externals = found.map((name) => `'${name}': 'commonjs ${name}'`).join(', ');
    log.warn(
      `${found.join(', ')} ${is} bundled into the app's own file, where the agent can't patch ${it}, and lanes may get lost. Leave ${it} out of the bundle: ` +
        `external: [${external}] for esbuild and rollup, externals: { ${externals} } for webpack, serverExternalPackages: [${external}] for Next.js`,
      { file },
    );
  });
  // Not fs/promises, which few apps have loaded by then. Nobody would catch an error of the callback.
  readFile(file, (_, content: Buffer | undefined) => {
    if (content !== undefined) tell(content);
  });
}

function librariesIn(content: Buffer, bundle: string, table: Readonly<Record<string, Instrumentation>>): string[] {
  const found = new Set<string>();
  const files = new Set(Object.values(table).flatMap(({ files: each = [], modules = {} }) => [...each, ...Object.keys(modules)]));
  for (const name of new Set([...files].map(packageOf))) if (TEXTS[name]?.every((text) => content.includes(text)) === true) found.add(name);
  for (let at = content.indexOf(FOLDER); at !== -1; at = content.indexOf(FOLDER, at + FOLDER.length)) {
    const path = PATH.exec(content.toString('latin1', at + FOLDER.length, at + FOLDER.length + MAX_PATH))?.[1];
    if (path !== undefined && files.has(path)) found.add(packageOf(path));
  }
  const needless = Object.assign({}, ...Object.values(table).map((each) => each.needless ?? {})) as Record<string, string>;
  return [...found].filter((name) => needless[name] === undefined || isNeeded(name, needless[name], bundle));
}

/** The bundled version is assumed to be the installed one; if none is installed, nothing is logged. */
function isNeeded(name: string, needless: string, bundle: string): boolean {
  for (const folder of createRequire(bundle).resolve.paths(name) ?? []) {
    const version = manifestIn(`${folder.replaceAll('\\', '/')}/${name}`)?.version;
    if (version !== undefined) return isInRange(version, needless) === false;
  }
  return false;
}
