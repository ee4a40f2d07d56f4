'use strict';

const URL = `mongodb://127.0.0.1:${process.env.MONGO}/shop`;

module.exports = (name) => (name.startsWith('mongoose') ? withMongoose(require(name)) : withDriver(require(name)));

async function withDriver({ MongoClient }) {
  const client = new MongoClient(URL, { maxPoolSize: 2 });
  await client.connect();
  const orders = client.db('shop').collection('orders');
  await orders.insertMany([{ a: 1 }, { a: 2 }, { a: 3 }]);
  return {
    findOne: async (see) => {
      await orders.findOne({ a: 1 });
      see('promise');
    },
    cursor: async (see) => {
      for await (const _ of orders.find({}, { batchSize: 1 })) see('next');
    },
    stream: async (see) => {
      await new Promise((resolve, reject) => {
        const stream = orders.find({}, { batchSize: 1 }).stream();
        stream.on('data', () => see('data'));
        stream.on('end', () => {
          see('end');
          resolve();
        });
        stream.on('error', reject);
      });
    },
    update: async (see) => {
      await orders.updateOne({ a: 1 }, { $set: { b: 1 } });
      see('promise');
    },
  };
}

async function withMongoose(mongoose) {
  await mongoose.connect(URL, { maxPoolSize: 2 });
  const schema = new mongoose.Schema({ a: Number });
  // Hooks run for the request that saves or finds.
  schema.pre('save', function () {
    this.$locals.see?.('pre save');
  });
  schema.post('save', (order) => order.$locals.see?.('post save'));
  const Order = mongoose.model('Order', schema);
  await Order.create([{ a: 1 }, { a: 2 }]);
  return {
    query: async (see) => {
      await Order.findOne({ a: 1 }).exec();
      see('exec');
      await Order.find({ a: 1 });
      see('thenable');
    },
    save: async (see) => {
      const order = new Order({ a: 3 });
      order.$locals.see = see;
      await order.save();
      see('saved');
    },
    cursor: async (see) => {
      await Order.find({ a: { $lt: 3 } })
        .cursor({ batchSize: 1 })
        .eachAsync(() => see('each'));
    },
  };
}
