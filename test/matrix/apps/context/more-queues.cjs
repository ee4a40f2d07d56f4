'use strict';
// Callback-style queues, by the names of their packages.
const { calledBack } = require('./called-back.cjs');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const work = (see) => async () => {
  see('task');
  await sleep(1);
  see('task, later');
};
const callingBack = (see) => (done) => {
  see('task');
  setTimeout(() => done(), 1);
};

/** The forms of a queue like async's. */
function asyncForms(async) {
  const worker = (see, done) => callingBack(see)(() => done());
  const queue = async.queue(worker, 2);
  const urgent = async.priorityQueue(worker, 2);
  const cargo = async.cargo((tasks, done) => setTimeout(() => done(), 1), 4);
  const memoized = async.memoize((key, done) => setTimeout(() => done(null, key), 1));
  let round = 0;
  const pushed = (push) => (see) => calledBack((done) => push(see, (error) => (see('callback'), done(error))));
  return {
    queue: pushed((see, done) => queue.push(see, done)),
    priorityQueue: pushed((see, done) => urgent.push(see, round++ % 3, done)),
    'cargo, callbacks': pushed((see, done) => cargo.push(see, done)),
    memoize: pushed((_, done) => memoized(`${Math.floor(round++ / 10)}`, done)),
  };
}

/** A request for something that another is fetching is called back together with it. */
const asked = (ask) => (see) => calledBack((done) => ask((error) => (see('callback'), done(error))));
const fetching = (...args) => setTimeout(() => args.at(-1)(null, 1), 1);
/** A lock or a semaphore: `take(taken)` passes the release function to `taken`. */
const taking = (take) => (see) => calledBack((done) => take((release) => callingBack(see)(() => (release(), done()))));

const LIBRARIES = {
  already: ({ concurrent, funnel }) => {
    const limit = concurrent(2);
    const through = funnel();
    return {
      concurrent: (see) => limit(work(see)),
      funnel: (see) => through((shouldRetry, retry) => (shouldRetry() ? retry() : work(see)())),
    };
  },
  'async-cache': (Cache) => {
    const cache = new Cache({ max: 10, maxAge: 5, load: fetching });
    return { get: asked((done) => cache.get('key', done)) };
  },
  'cache-manager4': ({ caching }) => {
    const cache = caching({ store: 'memory', ttl: 0.001 });
    return {
      wrap: asked((done) => cache.wrap('key', fetching, done)),
      'wrap, promise': (see) => cache.wrap('promise', () => sleep(1)).then(() => see('promise')),
    };
  },
  cockatiel: ({ bulkhead, handleAll, retry, wrap }) => {
    const most = bulkhead(2, 1000);
    const again = wrap(retry(handleAll, { maxAttempts: 2 }), most);
    return { bulkhead: (see) => most.execute(work(see)), wrap: (see) => again.execute(work(see)) };
  },
  'generic-pool2': ({ Pool }) => {
    const pool = new Pool({ name: 'pool', max: 2, create: fetching, destroy() {} });
    let round = 0;
    const acquire = (taken, priority) => pool.acquire((_, resource) => taken(() => pool.release(resource)), priority);
    return { acquire: taking((taken) => acquire(taken)), 'acquire, priority': taking((taken) => acquire(taken, round++ % 3)) };
  },
  inflight: (inflight) => ({
    inflight: asked((done) => {
      const fetched = inflight('key', done);
      if (fetched !== null) setTimeout(() => fetched(null), 1);
    }),
  }),
  lock: ({ Lock }) => {
    const lock = Lock();
    return { lock: taking((taken) => lock('key', (release) => taken(release(() => {})))) };
  },
  'lru-memoizer': (memoizer) => {
    const get = memoizer({ max: 10, maxAge: 5, ttl: 5, load: fetching, hash: (key) => key });
    return { get: asked((done) => get('key', done)) };
  },
  mutexify: (mutexify) => {
    const lock = mutexify();
    return { lock: taking(lock) };
  },
  'promise-limit': (promiseLimit) => {
    const limit = promiseLimit(2);
    return { limit: (see) => limit(work(see)), map: (see) => limit.map([1, 2], work(see)) };
  },
  rwlock: (Lock) => {
    const lock = new Lock();
    return {
      write: taking((taken) => lock.writeLock(taken)),
      'write, a key': taking((taken) => lock.writeLock('key', taken)),
      'async write': taking((taken) => lock.async.writeLock((_, release) => taken(release))),
    };
  },
  semaphore: (semaphore) => {
    const two = semaphore(2);
    return { take: taking((taken) => two.take(() => taken(() => two.leave()))) };
  },
  thunky: (thunky) => {
    // A failed fetch is repeated.
    const open = thunky((done) => setTimeout(() => done(new Error('again')), 1));
    return { open: asked((done) => open(() => done(null))) };
  },
  'async-limiter': (Limiter) => {
    const queue = new Limiter({ concurrency: 2 });
    return { push: (see) => calledBack((done) => queue.push((next) => callingBack(see)(() => (next(), done())))) };
  },
  cwait: ({ TaskQueue }) => {
    const queue = new TaskQueue(Promise, 2);
    const wrapped = queue.wrap((see) => work(see)());
    return { add: (see) => queue.add(work(see)), wrap: (see) => wrapped(see) };
  },
  'p-ratelimit': ({ pRateLimit }) => {
    const limit = pRateLimit({ interval: 20, rate: 5, concurrency: 2 });
    return { limit: (see) => limit(work(see)) };
  },
  'promise-pool-executor': ({ PromisePoolExecutor }) => {
    const pool = new PromisePoolExecutor({ concurrencyLimit: 2 });
    return {
      addSingleTask: (see) => pool.addSingleTask({ generator: work(see) }).promise(),
      addEachTask: (see) => pool.addEachTask({ data: [1, 2], generator: work(see) }).promise(),
    };
  },
  'promise-queue-plus': (createQueue) => {
    const queue = createQueue(2);
    return { go: (see) => queue.go(work(see)) };
  },
  'promise-semaphore': (Semaphore) => {
    const two = new Semaphore({ rooms: 2 });
    return { add: (see) => two.add(work(see)) };
  },
  'promise-throttle': (Throttle) => {
    const throttle = new Throttle({ requestsPerSecond: 300, promiseImplementation: Promise });
    return { add: (see) => throttle.add(work(see)), addAll: (see) => throttle.addAll([work(see), work(see)]) };
  },
  'queue-promise': (Queue) => {
    const queue = new Queue({ concurrent: 2, interval: 1 });
    const worked = (see, add) => new Promise((resolve) => add(() => work(see)().then(resolve)));
    return { enqueue: (see) => worked(see, (task) => queue.enqueue(task)), 'add, several': (see) => worked(see, (task) => queue.add([task])) };
  },
  'smart-request-balancer': (Balancer) => {
    const queue = new Balancer({ rules: { common: { rate: 500, limit: 1, priority: 1 } }, overall: { rate: 500, limit: 1 } });
    return { request: (see) => queue.request(work(see), 'key', 'common') };
  },
  'async-lock': (Lock) => {
    const lock = new Lock();
    return {
      callback: (see) => calledBack((done) => lock.acquire('callback', callingBack(see), (error) => (see('callback'), done(error)))),
      promise: (see) => lock.acquire('promise', work(see)).then(() => see('promise')),
    };
  },
  async2: asyncForms,
  'async/queue': () => asyncForms(Object.fromEntries(['queue', 'priorityQueue', 'cargo', 'memoize'].map((name) => [name, require(`async/${name}`)]))),
  'better-queue': (Queue) => {
    const queue = new Queue((task, done) => callingBack(task.see)(() => done()), { concurrent: 2, store: 'memory' });
    let id = 0;
    return { push: (see) => calledBack((done) => queue.push({ id: String(id++), see }, (error) => (see('callback'), done(error)))) };
  },
  bottleneck: (Bottleneck) => {
    const most = new Bottleneck({ maxConcurrent: 2 });
    const reservoir = new Bottleneck({ reservoir: 10, reservoirRefreshInterval: 250, reservoirRefreshAmount: 10, maxConcurrent: 5 });
    return {
      schedule: (see) => most.schedule(work(see)),
      'schedule, reservoir': (see) => reservoir.schedule(work(see)),
      submit: (see) =>
        calledBack((done) =>
          most.submit(
            (called) => callingBack(see)(called),
            (error) => (see('callback'), done(error)),
          ),
        ),
      wrap: (see) => most.wrap(work(see))(),
    };
  },
  fastq: (fastq) => {
    const queue = fastq((see, done) => callingBack(see)(() => done()), 2);
    const promising = fastq.promise(async (see) => {
      await work(see)();
    }, 2);
    return {
      push: (see) => calledBack((done) => queue.push(see, (error) => (see('callback'), done(error)))),
      unshift: (see) => calledBack((done) => queue.unshift(see, (error) => (see('callback'), done(error)))),
      'push, promise': (see) => promising.push(see).then(() => see('promise')),
    };
  },
  memoizee: (memoizee) => {
    const get = memoizee((key, done) => setTimeout(() => done(null, key), 1), { async: true, maxAge: 5 });
    return { async: (see) => calledBack((done) => get('key', (error) => (see('callback'), done(error)))) };
  },
  'neo-async': asyncForms,
  'p-limit2': (pLimit) => {
    const limit = pLimit(2);
    return { limit: (see) => limit(work(see)) };
  },
  'p-queue6': ({ default: PQueue }) => {
    const queue = new PQueue({ concurrency: 2 });
    return { add: (see) => queue.add(work(see)), addAll: (see) => queue.addAll([work(see), work(see)]) };
  },
  'promise-queue': (Queue) => {
    const queue = new Queue(2);
    return { add: (see) => queue.add(work(see)) };
  },
  queue6: (Queue) => {
    const queue = new Queue({ concurrency: 2, autostart: true });
    return { push: (see) => calledBack((done) => queue.push((next) => callingBack(see)(() => (next(), done())))) };
  },
  workerpool: ({ pool: makePool }) => {
    const pool = makePool({ maxWorkers: 1 });
    return {
      await: async (see) => {
        await pool.exec((a) => a, [1]);
        see('promise');
      },
      handlers: (see) =>
        calledBack((done) =>
          pool
            .exec((a) => a, [1])
            .then(() => see('then'))
            .then(() => (see('then, again'), done()), done),
        ),
    };
  },
};
LIBRARIES['p-limit3'] = LIBRARIES['p-limit2'];

module.exports = (name) => LIBRARIES[name](require(name === 'async/queue' ? 'async' : name));
