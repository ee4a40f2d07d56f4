/** The table of libraries whose callbacks only need binding: a line for each method, in the form of LANE_BIND. */
import type { AgentLog } from '../boot/log.js';
import type { Instrumentation } from '../patching/instrumentation.js';

interface BoundLibrary {
  readonly versions: Readonly<Record<string, string>>;
  readonly lines: readonly string[];
  /** Versions that need no patch. */
  readonly needless?: string;
}

const LIBRARIES: Readonly<Record<string, BoundLibrary>> = {
  // Its queue is emptied in the lane of whoever started it; `promise` builds on it, too.
  already: { versions: { already: '1 - 3' }, lines: ['already/dist/index.js:funnel()[0]', 'already/dist/index.js:concurrent()[0]'] },
  asap: { versions: { asap: '2.x' }, lines: ['asap/asap.js:[0]', 'asap/raw.js:[0]'] },
  'async-cache': { versions: { 'async-cache': '1.x' }, lines: ['async-cache/ac.js:prototype.get[1]'] },
  // With it the compressed messages of ws 6.
  'async-limiter': {
    versions: { 'async-limiter': '1 - 2' },
    lines: ['push', 'unshift', 'splice', 'onDone'].map((method) => `async-limiter/index.js:prototype.${method}`),
  },
  'async-lock': { versions: { 'async-lock': '1.x' }, lines: ['async-lock/lib/index.js:prototype.acquire[1,2]'] },
  bottleneck: {
    versions: { bottleneck: '2.x' },
    // The file of the class, and the bundles.
    lines: ['lib/Bottleneck', 'es5', 'light'].flatMap((file) => [
      `bottleneck/${file}.js:prototype.schedule`,
      `bottleneck/${file}.js:prototype.submit`,
    ]),
  },
  // Callbacks that wait for somebody else's fetch; promises need nothing.
  'cache-manager': { versions: { 'cache-manager': '2 - 4' }, needless: '>=5', lines: ['cache-manager/lib/callback_filler.js:prototype.add[1].cb'] },
  cockatiel: { versions: { cockatiel: '2 - 3' }, lines: ['cockatiel/dist/BulkheadPolicy.js:BulkheadPolicy.prototype.execute[0]'] },
  cwait: { versions: { cwait: '1.x' }, lines: ['cwait/dist/cjs/index.js:TaskQueue.prototype.add[0]'] },
  'es6-promise': { versions: { 'es6-promise': '3 - 4' }, lines: ['es6-promise/dist/es6-promise.js:Promise.prototype.then'] },
  'generic-pool': { versions: { 'generic-pool': '2.x' }, needless: '>=3', lines: ['generic-pool/lib/generic-pool.js:Pool.prototype.acquire[0]'] },
  inflight: { versions: { inflight: '1.x' }, lines: ['inflight/inflight.js:[1]'] },
  lock: { versions: { lock: '1.x' }, lines: ['lock/index.js:Lock()[1]'] },
  'lru-memoizer': { versions: { 'lru-memoizer': '2 - 3' }, lines: ['lru-memoizer/lib/index.js:()[-1]'] },
  memcached: {
    versions: { memcached: '2.x' },
    lines: [
      ...['touch', 'get', 'gets', 'getMulti', 'set', 'replace', 'add', 'cas', 'append', 'prepend', 'del', 'delete'],
      ...['incr', 'increment', 'decr', 'decrement', 'version', 'flush', 'flushAll', 'cachedump'],
      ...['stats', 'settings', 'statsSettings', 'slabs', 'statsSlabs', 'items', 'statsItems'],
    ].map((method) => `memcached/lib/memcached.js:prototype.${method}`),
  },
  memjs: {
    versions: { memjs: '1.x' },
    lines: ['perform[3]', 'flush[0]', 'statsWithKey[1]'].map((method) => `memjs/lib/memjs/memjs.js:Client.prototype.${method}`),
  },
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
  'p-ratelimit': { versions: { 'p-ratelimit': '1.x' }, lines: ['p-ratelimit/build/src/rateLimit.js:pRateLimit()[0]'] },
  // With pg-query-stream, which reads through it.
  'pg-cursor': {
    versions: { 'pg-cursor': '2.x' },
    lines: ['pg-cursor/index.js:prototype.read[1]', 'pg-cursor/index.js:prototype.close[0]'],
  },
  promise: {
    versions: { promise: '7 - 8' },
    lines: ['lib', 'setimmediate', 'domains'].map((folder) => `promise/${folder}/core.js:prototype.then`),
  },
  'promise-limit': { versions: { 'promise-limit': '2.x' }, lines: ['promise-limit/index.js:()[0]'] },
  'promise-pool-executor': {
    versions: { 'promise-pool-executor': '2.x' },
    lines: ['promise-pool-executor/public/pool.js:PromisePoolExecutor.prototype.addGenericTask[0].generator'],
  },
  'promise-queue-plus': {
    versions: { 'promise-queue-plus': '1.x' },
    lines: ['add', 'go'].map((method) => `promise-queue-plus/src/queue.js:().prototype.${method}[0]`),
  },
  'promise-semaphore': { versions: { 'promise-semaphore': '0.2' }, lines: ['promise-semaphore/index.js:prototype.add[0]'] },
  'promise-throttle': { versions: { 'promise-throttle': '1.x' }, lines: ['promise-throttle/lib/main.js:prototype.add[0]'] },
  'promise-queue': { versions: { 'promise-queue': '2.x' }, lines: ['promise-queue/lib/index.js:prototype.add[0]'] },
  queue: {
    versions: { queue: '4 - 7' },
    lines: ['push', 'unshift', 'splice', 'start'].map((method) => `queue/index.js:prototype.${method}`),
  },
  // Tasks in an array are added one by one.
  'queue-promise': { versions: { 'queue-promise': '2.x' }, lines: ['queue-promise/dist/index.js:prototype.enqueue[0]'] },
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
  'smart-request-balancer': {
    versions: { 'smart-request-balancer': '2.x' },
    lines: ['smart-request-balancer/dist/index.js:prototype.request[0]'],
  },
  thunky: { versions: { thunky: '1.x' }, lines: ['thunky/index.js:()[0]'] },
  when: { versions: { when: '3.x' }, lines: ['when/lib/makePromise.js:().prototype.then'] },
  // All connections share the queue of data to inflate.
  ws: { versions: { ws: '7 - 8' }, lines: ['ws/lib/limiter.js:prototype.add[0]'] },
};

/** The instrumentations of the table. At start only a line's file is read; the rest is parsed when the first of them loads. */
export function boundLibraries(): Record<string, Instrumentation> {
  const found: Record<string, Instrumentation> = {};
  for (const name in LIBRARIES) {
    const { versions, lines, needless } = LIBRARIES[name] as BoundLibrary;
    found[name] = boundLibrary(versions, lines, needless);
  }
  return found;
}

const NO_NAMES: readonly string[] = [];

/** The method that a line names. */
function pathOf(line: string): string {
  return line.slice(line.indexOf(':') + 1).replace(/\[.*$|\(\)$/, '');
}

/** A method's path in words: an empty path is the export itself, and `()` is what it returns. */
function pathInWords(path: string): string {
  if (path === '') return 'the exported function';
  if (path === '()') return 'the returned function';
  return path.replace(/^\(\)\./, 'returned ');
}

type Bindings = typeof import('../patching/bindings.js');
const bindings = (): Bindings => require('../patching/bindings.js') as Bindings;

function boundLibrary(versions: Readonly<Record<string, string>>, lines: readonly string[], needless: string | undefined): Instrumentation {
  const packages = Object.keys(versions);
  const modules: Record<string, readonly string[]> = {};
  // No names: what they export.
  for (const line of lines) modules[line.slice(0, line.indexOf(':'))] = NO_NAMES;
  const files = Object.keys(modules);
  let read: ReturnType<Bindings['readBindings']> | undefined;
  return {
    library: packages.join(', '),
    versions,
    ...(needless === undefined ? {} : { needless: Object.fromEntries(packages.map((each) => [each, needless])) }),
    get patches() {
      return `callbacks of ${[...new Set(lines.map((line) => pathInWords(pathOf(line))))].join(', ')}`;
    },
    files,
    modules,
    patch: ({ file, holder }) => void bindings().bindFile((read ??= bindings().readBindings(lines)), file, holder),
  };
}

/** LANE_BIND as an instrumentation. */
export function bindingsOf(lines: readonly string[], log: AgentLog): Instrumentation {
  const good: string[] = [];
  for (const line of lines) {
    if (bindings().parseBinding(line) !== undefined) good.push(line);
    else log.error(`LANE_BIND entry ${JSON.stringify(line)} is not valid: must be ${bindings().BINDING_ACCEPTED}. The app runs without it`);
  }
  const read = bindings().readBindings(good);
  return {
    ...boundLibrary({}, good, undefined),
    library: 'those of LANE_BIND',
    patch({ file, holder }) {
      for (const { path } of bindings().bindFile(read, file, holder)) {
        log.once(
          `LANE_BIND ${file}:${path}`,
          'error',
          `LANE_BIND: ${file} exports no method ${path}, or one that can't be replaced. Its callbacks lose the lane. Name a method that the installed version has`,
        );
      }
    },
  };
}
