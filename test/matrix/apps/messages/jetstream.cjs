'use strict';

/** JetStream of nats, which includes it, or of @nats-io/transport-node, where it is a separate package. */
module.exports = async (handle, name) => {
  const { connect, headers } = require(name);
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  const { jetstream, jetstreamManager } =
    name === 'nats'
      ? { jetstream: () => connection.jetstream(), jetstreamManager: () => connection.jetstreamManager() }
      : require('@nats-io/jetstream');
  // Each app has its own, because several share the server.
  const stream = `shop-${process.pid}`;
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: stream, subjects: [stream], storage: 'memory' });
  await manager.consumers.add(stream, { durable_name: 'stock', ack_policy: 'explicit' });
  const js = jetstream(connection);
  const consumer = await js.consumers.get(stream, 'stock');
  await consumer.consume({
    callback: async (message) => {
      await handle(message.string(), message.headers?.get('own'));
      message.ack();
    },
  });
  return {
    publish: async (id) => {
      const own = headers();
      own.set('own', 'kept');
      await js.publish(stream, id, { headers: own });
    },
  };
};
