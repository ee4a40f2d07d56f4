'use strict';
// Sends messages on request, or receives them; reports the CPU time in µs.
const { AsyncLocalStorage } = require('node:async_hooks');
const { createRequire } = require('node:module');
const { join } = require('node:path');
const { runInLane } = require('@lane/core');

const [library, role, queue, port] = process.argv.slice(2);
const { load, headers = {} } = { load: createRequire(join(__dirname, '../../matrix/package.json')), headers: headersOf(process.env.HEADERS) };
const BODY = JSON.stringify({ order: 4711, items: [{ id: 17, count: 2 }], customer: 'alice', note: 'leave it at the door' });

function headersOf(text) {
  return text === undefined ? undefined : JSON.parse(text);
}

/** How each library sends messages, with an app's usual concurrency, and receives them. */
const LIBRARIES = {
  async kafkajs() {
    const { Kafka, logLevel } = load('kafkajs');
    const kafka = new Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: queue, numPartitions: 1 }], waitForLeaders: true });
    await admin.disconnect();
    return {
      async sender() {
        const producer = kafka.producer();
        await producer.connect();
        return () => producer.send({ topic: queue, acks: 1, messages: [{ value: BODY, headers: { ...headers } }] });
      },
      async receive(received) {
        const consumer = kafka.consumer({ groupId: queue, maxWaitTimeInMs: 50 });
        await consumer.connect();
        await consumer.subscribe({ topic: queue, fromBeginning: true });
        const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
        await consumer.run({ eachMessage: async () => received() });
        await joined;
      },
    };
  },
  async amqplib() {
    const connection = await load('amqplib').connect({ hostname: '127.0.0.1', port: Number(port) });
    const channel = await connection.createConfirmChannel();
    // Drop unread messages to make room.
    await channel.assertQueue(queue, { maxLength: 100_000 });
    return {
      sender: async () => {
        const body = Buffer.from(BODY);
        return () =>
          new Promise((resolve, reject) =>
            channel.sendToQueue(queue, body, { headers: { ...headers } }, (error) => (error ? reject(error) : resolve())),
          );
      },
      async receive(received) {
        await channel.prefetch(200);
        await channel.consume(queue, (message) => {
          received();
          channel.ack(message);
        });
      },
    };
  },
  async bullmq() {
    const { Queue, Worker } = load('bullmq');
    const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
    const data = JSON.parse(BODY);
    const byHand = Object.keys(headers).length === 0 ? {} : { telemetry: { metadata: JSON.stringify(headers) } };
    return {
      async sender() {
        const jobs = new Queue(queue, { connection });
        await jobs.waitUntilReady();
        return () => jobs.add('job', data, { removeOnComplete: true, ...byHand });
      },
      async receive(received) {
        await new Worker(queue, async () => received(), { connection, concurrency: 16 }).waitUntilReady();
      },
    };
  },
  async nats() {
    const { connect, headers: newHeaders } = load('nats');
    const connection = await connect({ servers: `127.0.0.1:${port}` });
    const names = Object.keys(headers);
    const optionsOf = () => {
      if (names.length === 0) return undefined;
      const made = newHeaders();
      for (const name of names) made.set(name, headers[name]);
      return { headers: made };
    };
    return {
      sender: async () => {
        const body = Buffer.from(BODY);
        let count = 0;
        return async () => {
          connection.publish(queue, body, optionsOf());
          if (++count % 50 === 0) await connection.flush();
        };
      },
      async receive(received) {
        connection.subscribe(queue, { callback: () => received() });
        await connection.flush();
      },
    };
  },
};
const AT_A_TIME = 16;
const storage = new AsyncLocalStorage();
/** What an app does that carries the lane by itself. */
const inStore = (work) => (process.env.IN_STORE === undefined ? work() : storage.run('gray', work));

function cpuSince(start) {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

// The parent is gone.
process.on('disconnect', () => process.exit());

async function main() {
  const { sender, receive } = await LIBRARIES[library]();
  if (role === 'send') {
    const send = await sender();
    const sendMany = async (count) => {
      let left = count;
      const some = async () => {
        while (left-- > 0) await send();
      };
      await Promise.all(
        Array.from({ length: AT_A_TIME }, () => (process.env.SENDS_IN === undefined ? inStore(some) : runInLane(process.env.SENDS_IN, some))),
      );
    };
    process.on('message', async ({ count }) => {
      const start = process.cpuUsage();
      await sendMany(count);
      process.send({ cpu: cpuSince(start) });
    });
  } else {
    let left = 0;
    let start;
    await receive(() =>
      inStore(() => {
        if (--left === 0) process.send({ cpu: cpuSince(start) });
      }),
    );
    process.on('message', ({ count }) => {
      left = count;
      start = process.cpuUsage();
      process.send({ expects: count });
    });
  }
  process.send({ ready: true });
}
main();
