/**
 * Context across queues and pools. 51 concurrent requests of three kinds (two tags and none) use pools and queues of size two, so
 * that most wait for others; in each callback of the library, a call to the peer must carry the tag of its own request.
 * Servers are real.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeVersions } from '../agent/nodes.js';
import { startPeer, type Peer } from '../agent/peer.js';
import { openRequest, runApp, send, startApp, type App } from '../agent/run-app.js';
import { startMariadb } from './services/mariadb.js';
import { startMemcached } from './services/memcached.js';
import { startMongo, STAND_IN } from './services/mongo.js';
import { startPostgres } from './services/postgres.js';
import type { Service } from '../servers/process.js';
import { startRedis } from './services/redis.js';
import { SQL_SERVER_STAND_IN, startSqlServer } from './services/sql-server.js';
import { matrix, type NodeMajor, type Row } from './table.js';

interface ContextRow extends Row {
  /** A program in apps/context, and its arguments. */
  readonly app: readonly [string, ...string[]];
}

const NO_HOOKS: Partial<Record<NodeMajor, string>> = {
  20: 'an ES module, whose queue the agent reaches only through module.registerHooks (Node 22.15)',
};

const CARGO = 'a cargo runs in the lane of its last task';

const ROWS: readonly ContextRow[] = [
  { name: 'pg', dependency: 'pg', app: ['pg.cjs'], help: 'pg' },
  { name: 'pg-cursor, pg-query-stream', dependency: 'pg-cursor', app: ['pg.cjs', 'pg-cursor'], help: 'pg-cursor' },
  { name: 'mysql2', dependency: 'mysql2', app: ['mysql2.cjs'], help: 'mysql2' },
  { name: 'ioredis 6', dependency: 'ioredis', app: ['redis.cjs', 'ioredis'], help: 'ioredis' },
  { name: 'ioredis 5', dependency: 'ioredis5', app: ['redis.cjs', 'ioredis5'], help: 'ioredis' },
  { name: 'ioredis 4', dependency: 'ioredis4', app: ['redis.cjs', 'ioredis4'], help: 'ioredis' },
  { name: 'redis 6', dependency: 'redis', app: ['redis.cjs', 'redis'] },
  { name: 'redis 4', dependency: 'redis4', app: ['redis.cjs', 'redis4'] },
  { name: 'mongodb 7', dependency: 'mongodb', app: ['mongodb.cjs', 'mongodb'], limits: STAND_IN },
  { name: 'mongodb 6', dependency: 'mongodb6', app: ['mongodb.cjs', 'mongodb6'], limits: STAND_IN },
  { name: 'mongoose 9', dependency: 'mongoose', app: ['mongodb.cjs', 'mongoose'], limits: STAND_IN },
  { name: 'mongoose 8', dependency: 'mongoose8', app: ['mongodb.cjs', 'mongoose8'], limits: STAND_IN },
  { name: 'sequelize', dependency: 'sequelize', app: ['sql-builders.cjs', 'sequelize'] },
  { name: 'knex', dependency: 'knex', app: ['sql-builders.cjs', 'knex'] },
  { name: 'tedious', dependency: 'tedious', app: ['sql-server.cjs', 'tedious'], limits: SQL_SERVER_STAND_IN },
  { name: 'mssql', dependency: 'mssql', app: ['sql-server.cjs', 'mssql'], limits: SQL_SERVER_STAND_IN },
  { name: 'memcached', dependency: 'memcached', app: ['memcached.cjs', 'memcached'], help: 'memcached' },
  { name: 'memjs', dependency: 'memjs', app: ['memcached.cjs', 'memjs'], help: 'memjs' },
  { name: 'generic-pool', dependency: 'generic-pool', app: ['queues.mjs', 'generic-pool'] },
  { name: 'bluebird', dependency: 'bluebird', app: ['promises.cjs', 'bluebird'], help: 'bluebird' },
  { name: 'q', dependency: 'q', app: ['promises.cjs', 'q'], help: 'q' },
  { name: 'zone.js', dependency: 'zone.js', app: ['promises.cjs', 'zone.js'], help: 'global-promise' },
  { name: 'zone.js, imported', dependency: 'zone.js', app: ['promises.cjs', 'zone.js', 'imported'], help: 'global-promise' },
  ...['asap', 'es6-promise', 'promise', 'rsvp', 'when'].map((name) => ({ name, dependency: name, app: ['promises.cjs', name] as const, help: name })),
  {
    name: 'async',
    dependency: 'async',
    app: ['async.cjs'],
    help: 'async',
    limits: `${CARGO}; an \`import\` of async loads its ES module, which the agent does not reach`,
  },
  ...(
    [
      ['async 2', 'async2', 'async'],
      ['async, single files', 'async/queue', 'async'],
      ['neo-async', 'neo-async', 'async'],
      ['async-lock', 'async-lock', 'async-lock'],
      ['better-queue', 'better-queue', 'better-queue'],
      ['bottleneck', 'bottleneck', 'bottleneck'],
      ['fastq', 'fastq', 'fastq'],
      ['memoizee', 'memoizee', 'memoizee'],
      ['p-limit 3', 'p-limit3', 'p-limit'],
      ['p-limit 2', 'p-limit2', 'p-limit'],
      ['p-queue 6', 'p-queue6', 'p-queue'],
      ['promise-queue', 'promise-queue', 'promise-queue'],
      ['queue 6', 'queue6', 'queue'],
      ['workerpool', 'workerpool', 'workerpool'],
      ['already', 'already', 'already'],
      ['async-cache', 'async-cache', 'async-cache'],
      ['cache-manager 4, callbacks', 'cache-manager4', 'cache-manager'],
      ['cockatiel', 'cockatiel', 'cockatiel'],
      ['generic-pool 2', 'generic-pool2', 'generic-pool'],
      ['inflight', 'inflight', 'inflight'],
      ['lock', 'lock', 'lock'],
      ['lru-memoizer', 'lru-memoizer', 'lru-memoizer'],
      ['mutexify', 'mutexify', 'mutexify'],
      ['promise-limit', 'promise-limit', 'promise-limit'],
      ['rwlock', 'rwlock', 'rwlock'],
      ['semaphore', 'semaphore', 'semaphore'],
      ['thunky', 'thunky', 'thunky'],
      ['async-limiter', 'async-limiter', 'async-limiter'],
      ['cwait', 'cwait', 'cwait'],
      ['p-ratelimit', 'p-ratelimit', 'p-ratelimit'],
      ['promise-pool-executor', 'promise-pool-executor', 'promise-pool-executor'],
      ['promise-queue-plus', 'promise-queue-plus', 'promise-queue-plus'],
      ['promise-semaphore', 'promise-semaphore', 'promise-semaphore'],
      ['promise-throttle', 'promise-throttle', 'promise-throttle'],
      ['queue-promise', 'queue-promise', 'queue-promise'],
      ['smart-request-balancer', 'smart-request-balancer', 'smart-request-balancer'],
    ] as const
  ).map(([name, dependency, help]) => ({
    name,
    dependency: dependency.replace('async/queue', 'async'),
    app: ['more-queues.cjs', dependency] as const,
    help,
    ...(help === 'async' ? { limits: CARGO } : {}),
  })),
  { name: 'p-limit 4', dependency: 'p-limit4', app: ['queues.mjs', 'p-limit4'], help: 'p-limit', not: NO_HOOKS },
  { name: 'queue 7', dependency: 'queue', app: ['queues.mjs', 'queue'], help: 'queue', not: NO_HOOKS },
  { name: 'mysql', dependency: 'mysql', app: ['mysql.cjs'], help: 'mysql' },
  { name: 'redis 3', dependency: 'redis3', app: ['redis3.cjs'], help: 'redis' },
  { name: 'mongodb 3', dependency: 'mongodb3', app: ['mongodb3.cjs'], help: 'mongodb3', limits: STAND_IN },
  { name: 'request-promise', dependency: 'request-promise', app: ['promises.cjs', 'request-promise'], help: 'bluebird' },
  { name: 'p-queue 10', dependency: 'p-queue', app: ['queues.mjs', 'p-queue'] },
  { name: 'p-queue 8', dependency: 'p-queue8', app: ['queues.mjs', 'p-queue8'], help: 'p-queue' },
  { name: 'p-limit', dependency: 'p-limit', app: ['queues.mjs', 'p-limit'] },
  {
    name: 'dataloader',
    dependency: 'dataloader',
    app: ['queues.mjs', 'dataloader'],
    limits: 'a batch is loaded once, in the lane of the first caller; each caller gets its result in its own lane',
  },
  { name: 'piscina', dependency: 'piscina', app: ['queues.mjs', 'piscina'], limits: 'the task runs in another thread, without a lane' },
  { name: 'bull', dependency: 'bull', app: ['job-queues.cjs', 'bull'] },
  { name: 'bullmq 6', dependency: 'bullmq', app: ['job-queues.cjs', 'bullmq'] },
  { name: 'bullmq 5', dependency: 'bullmq5', app: ['job-queues.cjs', 'bullmq5'] },
  { name: 'rxjs', dependency: 'rxjs', app: ['core.cjs', 'rxjs'], limits: 'a Subject calls its observers in the lane that fires it' },
  {
    name: 'event emitters',
    app: ['core.cjs', 'emitters'],
    limits: 'a listener runs in the lane that emits the event, unless `bindLane` binds it',
  },
  { name: 'streams', app: ['core.cjs', 'streams'] },
  { name: 'setInterval and other timers', app: ['core.cjs', 'timers'] },
  { name: 'fs, dns, crypto, zlib, worker_threads', app: ['core.cjs', 'builtins'] },
];

const KINDS = ['gray', 'blue', undefined];
const REQUESTS = 51;

let peer: Peer;
let services: Service[] = [];
let env: Record<string, string>;
beforeAll(async () => {
  const [started, redis, postgres, mariadb, mongo, memcached, sqlServer] = await Promise.all([
    startPeer(),
    startRedis(),
    startPostgres(),
    startMariadb(),
    startMongo(),
    startMemcached(),
    startSqlServer(),
  ]);
  peer = started;
  services = [redis, postgres, mariadb, mongo, memcached, sqlServer];
  env = {
    PEER: `http://127.0.0.1:${peer.port}/`,
    REDIS: String(redis.port),
    POSTGRES: String(postgres.port),
    MARIADB: String(mariadb.port),
    MONGO: String(mongo.port),
    MEMCACHED: String(memcached.port),
    SQL_SERVER: String(sqlServer.port),
  };
});
afterAll(async () => {
  await Promise.all([peer?.close(), ...services.map((service) => service.stop())]);
});

matrix('Queues and pools', ROWS, async (row, node) => {
  expect((await tryOut(row, node.path)).slice(0, 10)).toEqual([]);
  const lowest = [20, 22, 24, 26].find((major) => row.not?.[major as NodeMajor] === undefined);
  if (row.help !== undefined && node.major === lowest) {
    expect(await tryOut(row, node.path, { LANE_DISABLE: row.help }), `without ${row.help}`).not.toEqual([]);
  }
});

describe.each(nodeVersions())('work that base has queued before the first tag, $name', ({ path: node }) => {
  test.each(['fastq', 'async', 'async2', 'neo-async', 'better-queue', 'queue6'])('%s', async (library) => {
    const { code, stdout, stderr } = await runApp({ node, script: '../../matrix/apps/handed-in-first.cjs', args: [library] });
    expect([code, stdout, stderr]).toEqual([0, 'base,base', '']);
  });
});

async function tryOut(row: ContextRow, node: string, more: Record<string, string> = {}): Promise<string[]> {
  const app = await startApp({ node, script: '../../matrix/apps/context-host.cjs', args: row.app, env: { ...env, ...more } });
  try {
    const forms = JSON.parse((await send(app.port, '/')).body) as string[];
    await app.heard('request', 1);
    const wrong: string[] = [];
    for (const form of forms) for (const wave of [0, 1]) wrong.push(...(await interleaved(app, form, wave)));
    return wrong;
  } finally {
    await app.stop();
  }
}

async function interleaved(app: App, form: string, wave: number): Promise<string[]> {
  const requests = Array.from({ length: REQUESTS }, (_, i) => {
    const tag = KINDS[(i + wave) % 3];
    return { tag, request: openRequest(app.port, `/?form=${encodeURIComponent(form)}`, tag === undefined ? {} : { baggage: `lane=${tag}` }) };
  });
  await app.heard('request', REQUESTS);
  const wrong: string[] = [];
  await Promise.all(
    requests.map(async ({ tag, request }) => {
      const { status, body } = await request.end();
      if (status !== 200) wrong.push(`${form}, ${tag ?? 'no tag'}: ${body}`);
      else
        for (const [where, baggage] of JSON.parse(body) as Array<[string, string]>)
          if (baggage !== (tag === undefined ? '' : `lane=${tag}`)) wrong.push(`${form}, ${where}, ${tag ?? 'no tag'}: ${baggage || 'no tag'}`);
    }),
  );
  return wrong;
}
