'use strict';
const { MongoClient } = require('mongodb3');
const { calledBack } = require('./called-back.cjs');

module.exports = async () => {
  const client = new MongoClient(`mongodb://127.0.0.1:${process.env.MONGO}/shop`, { useUnifiedTopology: true, poolSize: 2 });
  await client.connect();
  const orders = client.db('shop').collection('orders3');
  await orders.insertMany([{ a: 1 }, { a: 2 }, { a: 3 }]);
  const asked = (see, done) => (error) => {
    see('callback');
    done(error);
  };
  return {
    'findOne, callback': (see) => calledBack((done) => orders.findOne({ a: 1 }, asked(see, done))),
    'findOne, promise': async (see) => {
      await orders.findOne({ a: 1 });
      see('promise');
    },
    'update, callback': (see) => calledBack((done) => orders.updateOne({ a: 1 }, { $set: { b: 1 } }, asked(see, done))),
    'toArray, callback': (see) => calledBack((done) => orders.find({}, { batchSize: 1 }).toArray(asked(see, done))),
    'forEach, callbacks': (see) => calledBack((done) => orders.find({}, { batchSize: 1 }).forEach(() => see('each'), asked(see, done))),
    stream: (see) =>
      new Promise((resolve, reject) => {
        const stream = orders.find({}, { batchSize: 1 }).stream();
        stream
          .on('data', () => see('data'))
          .on('end', resolve)
          .on('error', reject);
      }),
  };
};
