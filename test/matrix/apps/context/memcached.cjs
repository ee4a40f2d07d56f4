'use strict';
const { calledBack } = require('./called-back.cjs');

const asked = (ask) => (see) => calledBack((done) => ask((error) => (see('callback'), done(error))));

module.exports = (library) => {
  const server = `127.0.0.1:${process.env.MEMCACHED}`;
  if (library === 'memjs') {
    const client = require('memjs').Client.create(server);
    return {
      get: asked((done) => client.get('key', done)),
      set: asked((done) => client.set('key', 'value', { expires: 10 }, done)),
      stats: asked((done) => client.stats(done)),
      'get, promise': async (see) => {
        await client.get('key');
        see('promise');
      },
    };
  }
  const Memcached = require('memcached');
  const client = new Memcached(server, { poolSize: 2 });
  return {
    get: asked((done) => client.get('key', done)),
    set: asked((done) => client.set('key', 'value', 10, done)),
    getMulti: asked((done) => client.getMulti(['key', 'other'], done)),
    incr: asked((done) => client.incr('count', 1, done)),
    stats: asked((done) => client.stats(done)),
  };
};
