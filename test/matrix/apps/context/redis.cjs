'use strict';
const { calledBack } = require('./called-back.cjs');

module.exports = async (name) => {
  if (name.startsWith('ioredis')) {
    const loaded = require(name);
    const client = new (loaded.Redis ?? loaded)({ port: Number(process.env.REDIS) });
    return {
      promise: async (see) => {
        await client.get('key');
        see('promise');
      },
      callback: (see) =>
        calledBack((done) =>
          client.get('key', (error) => {
            see('callback');
            done(error);
          }),
        ),
      pipeline: async (see) => {
        await client.pipeline().get('key').get('other').exec();
        see('pipeline');
      },
      multi: async (see) => {
        await client.multi().set('key', '1').get('key').exec();
        see('multi');
      },
    };
  }
  const client = require(name).createClient({ url: `redis://127.0.0.1:${process.env.REDIS}` });
  await client.connect();
  return {
    promise: async (see) => {
      await client.get('key');
      see('promise');
    },
    multi: async (see) => {
      await client.multi().set('key', '1').get('key').exec();
      see('multi');
    },
  };
};
