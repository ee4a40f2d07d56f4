'use strict';
const { connect, headers, StringCodec } = require('nats');

module.exports = async (handle) => {
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  const codec = StringCodec();
  connection.subscribe('shop', {
    callback: async (error, message) => {
      await handle(codec.decode(message.data), message.headers?.get('own'));
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
    publish: async (id) => connection.publish('shop', codec.encode(id), { headers: own() }),
    request: (id) => connection.request('shop', codec.encode(id), { headers: own(), timeout: 5000 }),
  };
};
