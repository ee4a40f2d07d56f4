'use strict';
const { connect, StringCodec } = require('nats');

module.exports = async (took, form, subject) => {
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  const codec = StringCodec();
  const read = (message) => took(codec.decode(message.data));
  if (form === 'iterator') {
    const subscription = connection.subscribe(subject);
    void (async () => {
      for await (const message of subscription) read(message);
    })();
  } else connection.subscribe(subject, { queue: 'workers', callback: (_, message) => read(message) });
  await connection.flush();
  // What the agent does beside it comes a moment later.
  await new Promise(setImmediate);
  await connection.flush();
  return { publish: async (id) => connection.publish(subject, codec.encode(id)), stop: () => connection.drain() };
};
