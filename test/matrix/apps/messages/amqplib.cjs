'use strict';
module.exports = async (handle, name) => {
  const url = `amqp://guest:guest@127.0.0.1:${process.env.RABBITMQ}`;
  const connection = await require(name).connect(url);
  const channel = await connection.createChannel();
  const confirming = await connection.createConfirmChannel();
  const queue = `shop-${process.pid}`;
  await channel.assertQueue(queue, { autoDelete: true });
  await channel.consume(queue, async (message) => {
    await handle(message.content.toString(), message.properties.headers.own);
    channel.ack(message);
  });

  const callbacks = await new Promise((resolve, reject) =>
    require(`${name}/callback_api`).connect(url, (error, made) =>
      error ? reject(error) : made.createChannel((failed, opened) => (failed ? reject(failed) : resolve(opened))),
    ),
  );
  const other = `${queue}-callbacks`;
  await new Promise((resolve, reject) => callbacks.assertQueue(other, { autoDelete: true }, (error) => (error ? reject(error) : resolve())));
  await new Promise((resolve, reject) =>
    callbacks.consume(
      other,
      (message) => void handle(message.content.toString(), message.properties.headers.own).then(() => callbacks.ack(message)),
      {},
      (error) => (error ? reject(error) : resolve()),
    ),
  );
  const options = { headers: { own: 'kept' } };
  return {
    sendToQueue: async (id) => channel.sendToQueue(queue, Buffer.from(id), options),
    publish: async (id) => channel.publish('', queue, Buffer.from(id), options),
    'confirmed, then published again': (id) =>
      new Promise((resolve, reject) =>
        confirming.publish('', `${queue}-nobody`, Buffer.from(id), options, (error) => {
          if (error) reject(error);
          else resolve(channel.publish('', queue, Buffer.from(id), options));
        }),
      ),
    callback_api: async (id) => callbacks.sendToQueue(other, Buffer.from(id), options),
  };
};
