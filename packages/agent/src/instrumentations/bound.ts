/** The table of libraries whose callbacks only need binding: a line for each method, in the form of LANE_BIND. */
import type { AgentLog } from '../boot/log.js';
import type { Instrumentation, LoadedFile } from '../patching/instrumentation.js';

interface BoundLibrary {
  /** The package, if it has another name than the row. */
  readonly package?: string;
  /** The range of its versions. */
  readonly version: string;
  /** Further versions, which need no patch. */
  readonly needless?: string;
  readonly lines: readonly string[];
}

const LIBRARIES: Readonly<Record<string, BoundLibrary>> = {
  // Its queue is emptied in the lane of whoever started it; `promise` builds on it, too.
  already: { version: '1 - 3', lines: ['already/dist/index.js:funnel()[0]', 'already/dist/index.js:concurrent()[0]'] },
  asap: { version: '2.x', lines: ['asap/asap.js:[0]', 'asap/raw.js:[0]'] },
  'async-cache': { version: '1.x', lines: ['async-cache/ac.js:prototype.get[1]'] },
  // With it the compressed messages of ws 6.
  'async-limiter': {
    version: '1 - 2',
    lines: ['push', 'unshift', 'splice', 'onDone'].map((method) => `async-limiter/index.js:prototype.${method}`),
  },
  'async-lock': { version: '1.x', lines: ['async-lock/lib/index.js:prototype.acquire[1,2]'] },
  bottleneck: {
    version: '2.x',
    // The file of the class, and the bundles.
    lines: ['lib/Bottleneck', 'es5', 'light'].flatMap((file) => [
      `bottleneck/${file}.js:prototype.schedule`,
      `bottleneck/${file}.js:prototype.submit`,
    ]),
  },
  // Callbacks that wait for somebody else's fetch; promises need nothing.
  'cache-manager': { version: '2 - 4', needless: '>=5', lines: ['cache-manager/lib/callback_filler.js:prototype.add[1].cb'] },
  cockatiel: { version: '2 - 3', lines: ['cockatiel/dist/BulkheadPolicy.js:BulkheadPolicy.prototype.execute[0]'] },
  cwait: { version: '1.x', lines: ['cwait/dist/cjs/index.js:TaskQueue.prototype.add[0]'] },
  'es6-promise': { version: '3 - 4', lines: ['es6-promise/dist/es6-promise.js:Promise.prototype.then'] },
  'generic-pool': { version: '2.x', needless: '>=3', lines: ['generic-pool/lib/generic-pool.js:Pool.prototype.acquire[0]'] },
  inflight: { version: '1.x', lines: ['inflight/inflight.js:[1]'] },
  lock: { version: '1.x', lines: ['lock/index.js:Lock()[1]'] },
  'lru-memoizer': { version: '2 - 3', lines: ['lru-memoizer/lib/index.js:()[-1]'] },
  memcached: {
    version: '2.x',
    lines: [
      ...['touch', 'get', 'gets', 'getMulti', 'set', 'replace', 'add', 'cas', 'append', 'prepend', 'del', 'delete'],
      ...['incr', 'increment', 'decr', 'decrement', 'version', 'flush', 'flushAll', 'cachedump'],
      ...['stats', 'settings', 'statsSettings', 'slabs', 'statsSlabs', 'items', 'statsItems'],
    ].map((method) => `memcached/lib/memcached.js:prototype.${method}`),
  },
  memjs: {
    version: '1.x',
    lines: ['perform[3]', 'flush[0]', 'statsWithKey[1]'].map((method) => `memjs/lib/memjs/memjs.js:Client.prototype.${method}`),
  },
  mongodb3: {
    package: 'mongodb',
    version: '3.x',
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
    version: '2.x',
    lines: [
      ...['connect', 'changeUser', 'beginTransaction', 'commit', 'rollback', 'query', 'query()', 'ping', 'statistics', 'end'].map(
        (method) => `mysql/lib/Connection.js:prototype.${method}`,
      ),
      ...['getConnection', 'query', 'query()', 'end'].map((method) => `mysql/lib/Pool.js:prototype.${method}`),
    ],
  },
  mutexify: { version: '1.x', lines: ['mutexify/index.js:()[0]'] },
  // An ES module since 4.
  'p-limit': { version: '2 - 4', needless: '>=5', lines: ['p-limit/index.js:()[0]'] },
  'p-ratelimit': { version: '1.x', lines: ['p-ratelimit/build/src/rateLimit.js:pRateLimit()[0]'] },
  // With pg-query-stream, which reads through it.
  'pg-cursor': {
    version: '2.x',
    lines: ['pg-cursor/index.js:prototype.read[1]', 'pg-cursor/index.js:prototype.close[0]'],
  },
  promise: {
    version: '7 - 8',
    lines: ['lib', 'setimmediate', 'domains'].map((folder) => `promise/${folder}/core.js:prototype.then`),
  },
  'promise-limit': { version: '2.x', lines: ['promise-limit/index.js:()[0]'] },
  'promise-pool-executor': {
    version: '2.x',
    lines: ['promise-pool-executor/public/pool.js:PromisePoolExecutor.prototype.addGenericTask[0].generator'],
  },
  'promise-queue-plus': {
    version: '1.x',
    lines: ['add', 'go'].map((method) => `promise-queue-plus/src/queue.js:().prototype.${method}[0]`),
  },
  'promise-semaphore': { version: '0.2', lines: ['promise-semaphore/index.js:prototype.add[0]'] },
  'promise-throttle': { version: '1.x', lines: ['promise-throttle/lib/main.js:prototype.add[0]'] },
  'promise-queue': { version: '2.x', lines: ['promise-queue/lib/index.js:prototype.add[0]'] },
  queue: {
    version: '4 - 7',
    lines: ['push', 'unshift', 'splice', 'start'].map((method) => `queue/index.js:prototype.${method}`),
  },
  // Tasks in an array are added one by one.
  'queue-promise': { version: '2.x', lines: ['queue-promise/dist/index.js:prototype.enqueue[0]'] },
  redis: {
    version: '2 - 3',
    needless: '>=4',
    lines: [
      'redis/index.js:RedisClient.prototype.internal_send_command[0].callback',
      'redis/lib/multi.js:prototype.exec_atomic[0]',
      'redis/lib/multi.js:prototype.exec_transaction[0]',
      'redis/lib/multi.js:prototype.exec[0]',
    ],
  },
  rsvp: { version: '3 - 4', lines: ['rsvp/dist/rsvp.js:Promise.prototype.then'] },
  rwlock: {
    version: '5.x',
    lines: ['readLock', 'writeLock', 'async.readLock', 'async.writeLock'].map((method) => `rwlock/lib/lock.js:().${method}`),
  },
  semaphore: { version: '1.x', lines: ['semaphore/lib/semaphore.js:().take'] },
  'smart-request-balancer': {
    version: '2.x',
    lines: ['smart-request-balancer/dist/index.js:prototype.request[0]'],
  },
  thunky: { version: '1.x', lines: ['thunky/index.js:()[0]'] },
  when: { version: '3.x', lines: ['when/lib/makePromise.js:().prototype.then'] },
  // All connections share the queue of data to inflate.
  ws: { version: '7 - 8', lines: ['ws/lib/limiter.js:prototype.add[0]'] },
};

/** The instrumentations of the table. At start only a line's file is read; the rest is parsed when the first of them loads. */
export function boundLibraries(): Record<string, Instrumentation> {
  const found: Record<string, Instrumentation> = {};
  for (const name in LIBRARIES) {
    found[name] = new BoundRow(name, LIBRARIES[name] as BoundLibrary);
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

/** Instrumentations by lines. Classes with little in them, as each start makes all of the table. */
abstract class BoundCallbacks implements Instrumentation {
  readonly files: readonly string[];
  readonly #lines: readonly string[];
  #read: ReturnType<Bindings['readBindings']> | undefined;

  abstract readonly library: string;
  abstract readonly versions: Readonly<Record<string, string>>;

  constructor(lines: readonly string[]) {
    const files: string[] = [];
    for (const line of lines) {
      const file = line.slice(0, line.indexOf(':'));
      if (!files.includes(file)) files.push(file);
    }
    this.files = files;
    this.#lines = lines;
  }

  get patches(): string {
    return `callbacks of ${[...new Set(this.#lines.map((line) => pathInWords(pathOf(line))))].join(', ')}`;
  }

  get modules(): Readonly<Record<string, readonly string[]>> {
    // No names: what they export.
    return Object.fromEntries(this.files.map((file) => [file, NO_NAMES]));
  }

  patch(loaded: LoadedFile): void {
    this.bind(loaded);
  }

  /** Returns the lines for whose method the file has none. */
  protected bind({ file, holder }: LoadedFile): ReturnType<Bindings['bindFile']> {
    this.#read ??= bindings().readBindings(this.#lines);
    return bindings().bindFile(this.#read, file, holder);
  }
}

/** A row of the table. */
class BoundRow extends BoundCallbacks {
  readonly library: string;
  readonly #row: BoundLibrary;

  constructor(name: string, row: BoundLibrary) {
    super(row.lines);
    this.library = row.package ?? name;
    this.#row = row;
  }

  get versions(): Readonly<Record<string, string>> {
    return { [this.library]: this.#row.version };
  }

  get needless(): Readonly<Record<string, string>> {
    const { needless } = this.#row;
    return needless === undefined ? {} : { [this.library]: needless };
  }
}

/** LANE_BIND as an instrumentation. */
class BoundByOption extends BoundCallbacks {
  readonly library = 'those of LANE_BIND';
  readonly versions = {};
  readonly #log: AgentLog;

  constructor(lines: readonly string[], log: AgentLog) {
    super(lines);
    this.#log = log;
  }

  override patch(loaded: LoadedFile): void {
    const { file } = loaded;
    for (const { path } of this.bind(loaded)) {
      this.#log.once(
        `LANE_BIND ${file}:${path}`,
        'error',
        `LANE_BIND: ${file} exports no method ${path}, or one that can't be replaced. Its callbacks lose the lane. Name a method that the installed version has`,
      );
    }
  }
}

/** LANE_BIND's entries as an instrumentation. Those that aren't valid are logged, and left out. */
export function bindingsOf(lines: readonly string[], log: AgentLog): Instrumentation {
  const good: string[] = [];
  for (const line of lines) {
    if (bindings().parseBinding(line) !== undefined) good.push(line);
    else log.error(`LANE_BIND entry ${JSON.stringify(line)} is not valid: must be ${bindings().BINDING_ACCEPTED}. The app runs without it`);
  }
  return new BoundByOption(good, log);
}
