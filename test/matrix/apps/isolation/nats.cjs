'use strict';

module.exports = async (took, name, form, subject) => {
  const { connect } = require(name);
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  const read = (message) => took(message.string());
  if (form === 'iterator') {
    const subscription = connection.subscribe(subject);
    void (async () => {
      for await (const message of subscription) read(message);
    })();
  } else connection.subscribe(subject, { queue: 'workers', callback: (_, message) => read(message) });
  await connection.flush();
  // The agent's part happens a moment later.
  await new Promise(setImmediate);
  await connection.flush();
  return { publish: async (id) => connection.publish(subject, id), stop: () => connection.drain() };
};
