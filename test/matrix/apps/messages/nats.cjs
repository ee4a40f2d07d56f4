'use strict';

module.exports = async (handle, name) => {
  const { connect, headers } = require(name);
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  connection.subscribe('shop', {
    callback: async (error, message) => {
      await handle(message.string(), message.headers?.get('own'));
      if (message.reply) message.respond();
    },
  });
  await connection.flush();
  const own = () => {
    const made = headers();
    made.set('own', 'kept');
    return made;
  };
  return {
    publish: async (id) => connection.publish('shop', id, { headers: own() }),
    request: (id) => connection.request('shop', id, { headers: own(), timeout: 60_000 }),
  };
};
