'use strict';
const { calledBack } = require('./called-back.cjs');

module.exports = async (name) => {
  if (name.startsWith('ioredis')) {
    const loaded = require(name);
    const Redis = loaded.Redis ?? loaded;
    const options = { port: Number(process.env.REDIS) };
    const client = new Redis(options);
    // A connection that a request opens is also used by other requests, and outside any request.
    let lazy;
    let uses = 0;
    const lazily = () => {
      if (uses++ % 10 === 0) {
        lazy?.quit();
        lazy = new Redis({ ...options, lazyConnect: true });
      }
      return lazy;
    };
    const background = setInterval(() => client.publish('news', ''), 5);
    background.unref();
    return {
      'connected lazily': async (see) => {
        await lazily().get('key');
        see('promise');
      },
      'connected lazily, callback': (see) =>
        calledBack((done) =>
          lazily().get('key', (error) => {
            see('callback');
            done(error);
          }),
        ),
      'connected lazily, its events': async (_, seen) => {
        const own = new Redis({ ...options, lazyConnect: true });
        let heard;
        own.on('ready', () => (heard = seen()));
        await own.get('key');
        own.quit();
        const baggage = await heard;
        if (baggage !== '') throw new Error(`an event of a connection is in the lane of ${baggage}`);
      },
      'a subscriber made in a request': async (_, seen) => {
        const subscriber = new Redis(options);
        const message = new Promise((resolve) => subscriber.once('message', () => resolve(seen())));
        await subscriber.subscribe('news');
        const baggage = await message;
        subscriber.quit();
        if (baggage !== '') throw new Error(`a message outside any request is in the lane of ${baggage}`);
      },
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
      scanStream: (see) =>
        new Promise((resolve, reject) => {
          const keys = client.scanStream({ count: 1 });
          keys.on('data', () => see('keys'));
          keys.on('error', reject);
          keys.on('end', () => (see('end'), resolve()));
        }),
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
