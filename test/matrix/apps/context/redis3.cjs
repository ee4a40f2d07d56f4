'use strict';
const { promisify } = require('node:util');
const { calledBack } = require('./called-back.cjs');

module.exports = () => {
  const client = require('redis3').createClient({ port: Number(process.env.REDIS) });
  const get = promisify(client.get).bind(client);
  const asked = (see, done) => (error) => {
    see('callback');
    done(error);
  };
  return {
    callback: (see) => calledBack((done) => client.get('key', asked(see, done))),
    promisified: async (see) => {
      await get('key');
      see('promise');
    },
    send_command: (see) => calledBack((done) => client.send_command('get', ['key'], asked(see, done))),
    multi: (see) => calledBack((done) => client.multi().set('key', '1').get('key').exec(asked(see, done))),
    batch: (see) => calledBack((done) => client.batch().get('key').get('other').exec(asked(see, done))),
  };
};
