'use strict';
const { calledBack } = require('./called-back.cjs');

module.exports = (name) => {
  const later = (done) => void setTimeout(() => done(), 1);
  if (name === 'q') {
    const q = require('q');
    // One promise for all: its handlers are called when the first of its requests settles it.
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
      'a handler': (see) =>
        calledBack((done) =>
          shared()
            .then(() => see('then'))
            .then(() => done(), done),
        ),
    };
  }
  const Bluebird = require('bluebird');
  let shared;
  const settled = () => (shared ??= Bluebird.delay(5).finally(() => (shared = undefined)));
  return {
    'a handler': (see) =>
      calledBack((done) =>
        settled()
          .then(() => see('then'))
          .then(() => done(), done),
      ),
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
