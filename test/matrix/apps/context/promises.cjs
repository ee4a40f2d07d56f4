'use strict';
const { calledBack } = require('./called-back.cjs');

module.exports = async (name, how) => {
  const later = (done) => void setTimeout(() => done(), 1);
  if (name === 'q') {
    const q = require('q');
    // A promise shared by all requests: its handlers run when the first request settles it.
    let shared;
    const settled = () => (shared ??= q.delay(5).then(() => (shared = undefined)));
    return {
      'a handler': async (see) => {
        await new Promise((resolve, reject) =>
          settled()
            .then(() => see('then'))
            .then(resolve, reject),
        );
      },
      nfcall: (see) =>
        new Promise((resolve, reject) =>
          q
            .nfcall((done) => later(done))
            .then(() => see('then'))
            .then(resolve, reject),
        ),
    };
  }
  if (name === 'request-promise') {
    const request = require('request-promise');
    let asked;
    const shared = () => (asked ??= request(process.env.PEER).finally(() => (asked = undefined)));
    return {
      'a handler': aHandler(shared),
    };
  }
  if (name === 'asap') return asapForms();
  if (name !== 'bluebird') {
    if (name === 'zone.js') {
      if (how === 'imported') await import('zone.js/node');
      else require('zone.js/node');
      return formsOf(Promise);
    }
    const loaded = require(name);
    return formsOf(loaded.Promise ?? loaded);
  }
  const Bluebird = require('bluebird');
  let shared;
  const settled = () => (shared ??= Bluebird.delay(5).finally(() => (shared = undefined)));
  return {
    'a handler': aHandler(settled),
    finally: (see) =>
      calledBack((done) =>
        settled()
          .finally(() => see('finally'))
          .then(() => done(), done),
      ),
    map: (see) => calledBack((done) => Bluebird.map([settled(), settled()], () => see('map')).then(() => done(), done)),
    'map, one at a time': (see) =>
      calledBack((done) => Bluebird.map([1, 2], () => settled().then(() => see('map')), { concurrency: 1 }).then(() => done(), done)),
    promisify: (see) =>
      calledBack((done) =>
        Bluebird.promisify(later)()
          .then(() => see('then'))
          .then(() => done(), done),
      ),
    nodeify: (see) => calledBack((done) => settled().nodeify((error) => (see('nodeify'), done(error)))),
  };
};

/** A handler of a promise that several requests wait for. */
const aHandler = (settled) => (see) =>
  calledBack((done) =>
    settled()
      .then(() => see('then'))
      .then(() => done(), done),
  );

/** Common to all promise libraries. */
function formsOf(Class) {
  let shared;
  const settled = () =>
    (shared ??= new Class((resolve) => setTimeout(() => resolve(), 5)).then(() => {
      shared = undefined;
    }));
  return {
    'a handler': aHandler(settled),
    'a handler of a failure': (see) =>
      calledBack((done) =>
        settled()
          .then(() => Class.reject(new Error('no')))
          .then(undefined, () => see('rejected'))
          .then(() => done(), done),
      ),
    'catch and finally': (see) =>
      calledBack((done) =>
        settled()
          .then(() => Class.reject(new Error('no')))
          .catch(() => see('catch'))
          .finally(() => see('finally'))
          .then(() => done(), done),
      ),
    all: (see) =>
      calledBack((done) =>
        Class.all([settled(), 1])
          .then(() => see('all'))
          .then(() => done(), done),
      ),
    await: async (see) => {
      await settled();
      see('await');
    },
    'queueMicrotask in a handler': (see) => calledBack((done) => settled().then(() => queueMicrotask(() => (see('queueMicrotask'), done())))),
    'nextTick in a handler': (see) => calledBack((done) => settled().then(() => process.nextTick(() => (see('nextTick'), done())))),
  };
}

/** Runs the tasks of many requests in one batch: each request first lets the others add theirs. */
function asapForms() {
  const waiting = [];
  const together = (queue) => {
    waiting.push(queue);
    if (waiting.length === 1) setTimeout(() => waiting.splice(0).forEach((each) => each()), 5);
  };
  const { AsyncResource } = require('node:async_hooks');
  const forms = {};
  for (const name of ['asap', 'asap/raw']) {
    const asap = require(name);
    forms[name] = (see) => calledBack((done) => together(AsyncResource.bind(() => asap(() => (see('task'), done())))));
  }
  return forms;
}
