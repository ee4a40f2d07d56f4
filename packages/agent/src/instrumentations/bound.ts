/** The table of libraries whose callbacks only have to be bound: a line for each method, in the form of LANE_BIND. */
import { bind, joinBindings, parseBinding, type Binding } from '../patching/bindings.js';
import type { Instrumentation } from '../patching/instrumentation.js';

interface BoundLibrary {
  readonly versions: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
  /** Versions that are right by themselves. */
  readonly needless?: string;
}

const LIBRARIES: Readonly<Record<string, BoundLibrary>> = {
  // Its queue is emptied in the lane of whoever began it: `promise` stands on it, too.
  already: { versions: { already: '1 - 3' }, lines: ['already/dist/index.js:funnel()[0]', 'already/dist/index.js:concurrent()[0]'] },
  asap: { versions: { asap: '2.x' }, lines: ['asap/asap.js:[0]', 'asap/raw.js:[0]'] },
  'async-cache': { versions: { 'async-cache': '1.x' }, lines: ['async-cache/ac.js:prototype.get[1]'] },
  'async-lock': { versions: { 'async-lock': '1.x' }, lines: ['async-lock/lib/index.js:prototype.acquire[1,2]'] },
  bottleneck: {
    versions: { bottleneck: '2.x' },
    // The file of the class, and the bundles with all in one.
    lines: ['lib/Bottleneck', 'es5', 'light'].flatMap((file) => [
      `bottleneck/${file}.js:prototype.schedule`,
      `bottleneck/${file}.js:prototype.submit`,
    ]),
  },
  // Callbacks of who asks for what somebody else is fetching; promises are right by themselves.
  'cache-manager': { versions: { 'cache-manager': '2 - 4' }, needless: '>=5', lines: ['cache-manager/lib/callback_filler.js:prototype.add[1].cb'] },
  cockatiel: { versions: { cockatiel: '2 - 3' }, lines: ['cockatiel/dist/BulkheadPolicy.js:BulkheadPolicy.prototype.execute[0]'] },
  'es6-promise': { versions: { 'es6-promise': '3 - 4' }, lines: ['es6-promise/dist/es6-promise.js:Promise.prototype.then'] },
  'generic-pool': { versions: { 'generic-pool': '2.x' }, needless: '>=3', lines: ['generic-pool/lib/generic-pool.js:Pool.prototype.acquire[0]'] },
  inflight: { versions: { inflight: '1.x' }, lines: ['inflight/inflight.js:[1]'] },
  lock: { versions: { lock: '1.x' }, lines: ['lock/index.js:Lock()[1]'] },
  'lru-memoizer': { versions: { 'lru-memoizer': '2 - 3' }, lines: ['lru-memoizer/lib/index.js:()[-1]'] },
  mongodb3: {
    versions: { mongodb: '3.x' },
    needless: '>=4',
    lines: [
      'mongodb/lib/utils.js:maybePromise[1]',
      'mongodb/lib/collection.js:prototype.find()',
      'mongodb/lib/collection.js:prototype.aggregate()',
      'mongodb/lib/cursor.js:prototype.each',
      'mongodb/lib/cursor.js:prototype.forEach',
    ],
  },
  mysql: {
    versions: { mysql: '2.x' },
    lines: [
      ...['connect', 'changeUser', 'beginTransaction', 'commit', 'rollback', 'query', 'query()', 'ping', 'statistics', 'end'].map(
        (method) => `mysql/lib/Connection.js:prototype.${method}`,
      ),
      ...['getConnection', 'query', 'query()', 'end'].map((method) => `mysql/lib/Pool.js:prototype.${method}`),
    ],
  },
  mutexify: { versions: { mutexify: '1.x' }, lines: ['mutexify/index.js:()[0]'] },
  // An ES module since 4.
  'p-limit': { versions: { 'p-limit': '2 - 4' }, needless: '>=5', lines: ['p-limit/index.js:()[0]'] },
  // With pg-query-stream, which reads by it.
  'pg-cursor': {
    versions: { 'pg-cursor': '2.x' },
    lines: ['pg-cursor/index.js:prototype.read[1]', 'pg-cursor/index.js:prototype.close[0]'],
  },
  promise: {
    versions: { promise: '7 - 8' },
    lines: ['lib', 'setimmediate', 'domains'].map((folder) => `promise/${folder}/core.js:prototype.then`),
  },
  'promise-limit': { versions: { 'promise-limit': '2.x' }, lines: ['promise-limit/index.js:()[0]'] },
  'promise-queue': { versions: { 'promise-queue': '2.x' }, lines: ['promise-queue/lib/index.js:prototype.add[0]'] },
  queue: {
    versions: { queue: '4 - 7' },
    lines: ['push', 'unshift', 'splice', 'start'].map((method) => `queue/index.js:prototype.${method}`),
  },
  redis: {
    versions: { redis: '2 - 3' },
    needless: '>=4',
    lines: [
      'redis/index.js:RedisClient.prototype.internal_send_command[0].callback',
      'redis/lib/multi.js:prototype.exec_atomic[0]',
      'redis/lib/multi.js:prototype.exec_transaction[0]',
      'redis/lib/multi.js:prototype.exec[0]',
    ],
  },
  rsvp: { versions: { rsvp: '3 - 4' }, lines: ['rsvp/dist/rsvp.js:Promise.prototype.then'] },
  rwlock: {
    versions: { rwlock: '5.x' },
    lines: ['readLock', 'writeLock', 'async.readLock', 'async.writeLock'].map((method) => `rwlock/lib/lock.js:().${method}`),
  },
  semaphore: { versions: { semaphore: '1.x' }, lines: ['semaphore/lib/semaphore.js:().take'] },
  thunky: { versions: { thunky: '1.x' }, lines: ['thunky/index.js:()[0]'] },
  when: { versions: { when: '3.x' }, lines: ['when/lib/makePromise.js:().prototype.then'] },
  // All connections share the queue of what is to be inflated.
  ws: { versions: { ws: '7 - 8' }, lines: ['ws/lib/limiter.js:prototype.add[0]'] },
};

/** The instrumentations of the table. */
export function boundLibraries(): Record<string, Instrumentation> {
  return Object.fromEntries(
    Object.entries(LIBRARIES).map(([name, { versions, lines, needless }]) => {
      const packages = Object.keys(versions);
      const bound = boundLibrary(packages.join(', '), versions, joinBindings(lines.map((line) => parseBinding(line) as Binding)));
      return [name, needless === undefined ? bound : { ...bound, needless: Object.fromEntries(packages.map((each) => [each, needless])) }];
    }),
  );
}

/** `failed` is told of a line whose method is not there. */
export function boundLibrary(
  library: string,
  versions: Readonly<Record<string, string>>,
  bindings: readonly Binding[],
  failed: (binding: Binding) => void = () => {},
): Instrumentation {
  const files = [...new Set(bindings.map(({ file }) => file))];
  return {
    library,
    versions,
    patches: `${[...new Set(bindings.map(({ path }) => path))].join(', ')}: their callbacks`,
    files,
    // No names: what they export.
    modules: Object.fromEntries(files.map((file) => [file, []])),
    patch: ({ file, holder }) => {
      for (const binding of bindings) if (binding.file === file && !bind(binding, holder)) failed(binding);
    },
  };
}
