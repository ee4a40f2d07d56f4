'use strict';
const { EventEmitter, once } = require('node:events');
const fs = require('node:fs');
const dns = require('node:dns');
const crypto = require('node:crypto');
const zlib = require('node:zlib');
const { PassThrough, Transform, Readable } = require('node:stream');
const { pipeline } = require('node:stream/promises');
const { Worker } = require('node:worker_threads');
const { Subject, firstValueFrom, from, delay, mergeMap } = require('rxjs');
const { bindLane } = require('@lane/core');
const { calledBack } = require('./called-back.cjs');

const rxjs = {
  operators: (see) =>
    firstValueFrom(
      from([1]).pipe(
        delay(1),
        mergeMap(async () => see('mergeMap')),
      ),
    ),
  Subject: (see) => {
    const subject = new Subject();
    const value = firstValueFrom(subject);
    subject.subscribe(() => see('next'));
    setImmediate(() => subject.next(1));
    return value;
  },
};

const emitters = () => {
  // Emitted from one place, for listeners of all requests.
  const shared = new EventEmitter().setMaxListeners(0);
  setInterval(() => shared.emit('tick'), 5);
  return {
    'an emitter of its own': async (see) => {
      const emitter = new EventEmitter();
      emitter.on('event', () => see('listener'));
      setImmediate(() => emitter.emit('event'));
      await once(emitter, 'event');
    },
    'once of a shared one': async (see) => {
      await once(shared, 'tick');
      see('once');
    },
    'a shared one, bindLane': (see) =>
      new Promise((resolve) =>
        shared.once(
          'tick',
          bindLane(() => resolve(see('listener'))),
        ),
      ),
  };
};

const streams = {
  pipeline: (see) =>
    pipeline(
      Readable.from(['a', 'b']),
      new Transform({
        transform(chunk, _, done) {
          see('transform');
          setImmediate(done, null, chunk);
        },
      }),
      new PassThrough().resume(),
    ),
  'data and end': (see) =>
    new Promise((resolve) => {
      const stream = Readable.from(['a']);
      stream.on('data', () => see('data'));
      stream.on('end', () => resolve(see('end')));
    }),
};

const timers = {
  setInterval: (see) =>
    new Promise((resolve) => {
      let times = 0;
      const timer = setInterval(() => {
        see('interval');
        if (++times < 3) return;
        clearInterval(timer);
        resolve();
      }, 1);
    }),
  'setTimeout, setImmediate, nextTick': (see) =>
    new Promise((resolve) => {
      setTimeout(() => {
        see('setTimeout');
        setImmediate(() => {
          see('setImmediate');
          process.nextTick(() => resolve(see('nextTick')));
        });
      }, 1);
    }),
};

const builtins = {
  fs: (see) => calledBack((done) => fs.readFile(__filename, (error) => (see('readFile'), done(error)))),
  dns: (see) => calledBack((done) => dns.lookup('localhost', (error) => (see('lookup'), done(error)))),
  crypto: (see) => calledBack((done) => crypto.randomBytes(8, (error) => (see('randomBytes'), done(error)))),
  zlib: (see) => calledBack((done) => zlib.gzip('text', (error) => (see('gzip'), done(error)))),
  worker_threads: (see) =>
    new Promise((resolve, reject) => {
      const worker = new Worker(`require('node:worker_threads').parentPort.postMessage(1)`, { eval: true, execArgv: [], env: {} });
      worker.on('error', reject);
      worker.on('message', () => resolve(see('message')));
    }),
};

module.exports = (name) =>
  ({ rxjs, emitters, streams, timers, builtins })[name] instanceof Function ? emitters() : { rxjs, streams, timers, builtins }[name];
