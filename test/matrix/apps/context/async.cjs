'use strict';
const async = require('async');
const { calledBack } = require('./called-back.cjs');

module.exports = () => {
  const later = (done) => void setTimeout(() => done(), 1);
  const queue = async.queue((see, done) => {
    see('worker');
    later(done);
  }, 2);
  const promising = async.queue(async (see) => {
    see('worker');
    await new Promise(later);
    see('worker, later');
  }, 2);
  const urgent = async.priorityQueue((see, done) => {
    see('worker');
    later(done);
  }, 2);
  const cargo = async.cargo((tasks, done) => later(done), 4);
  const memoized = async.memoize((key, done) => later(() => done(null, key)));
  let round = 0;
  return {
    queue: (see) => calledBack((done) => queue.push(see, (error) => (see('callback'), done(error)))),
    'queue of promises': async (see) => {
      await promising.pushAsync(see);
    },
    priorityQueue: (see) => calledBack((done) => urgent.push(see, 1, (error) => (see('callback'), done(error)))),
    'cargo, callbacks': (see) => calledBack((done) => cargo.push(see, (error) => (see('callback'), done(error)))),
    memoize: (see) => calledBack((done) => memoized(`${Math.floor(round++ / 10)}`, (error) => (see('callback'), done(error)))),
    mapLimit: (see) => calledBack((done) => async.mapLimit([1, 2, 3], 2, (_, next) => later(() => (see('iteratee'), next())), done)),
    waterfall: (see) => calledBack((done) => async.waterfall([later, (next) => (see('task'), next())], done)),
  };
};
