'use strict';
module.exports = async (took, name, form, queue) => {
  const url = `amqp://guest:guest@127.0.0.1:${process.env.RABBITMQ}`;
  if (form === 'callbacks') return withCallbacks(took, require(`${name}/callback_api`), url, queue);
  const connection = await require(name).connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue(queue);
  await channel.assertExchange(`${queue}-exchange`, 'fanout');
  await channel.bindQueue(queue, `${queue}-exchange`, '');
  await channel.prefetch(5);
  await channel.consume(queue, (message) => {
    took(message.content.toString());
    channel.ack(message);
  });
  return { publish: async (id) => channel.publish(`${queue}-exchange`, '', Buffer.from(id)), stop: () => connection.close() };
};

function withCallbacks(took, { connect }, url, queue) {
  return new Promise((resolve, reject) => {
    const then = (next) => (error, result) => (error ? reject(error) : next(result));
    connect(
      url,
      then((connection) =>
        connection.createChannel(
          then((channel) =>
            channel.assertQueue(
              queue,
              {},
              then(() =>
                channel.consume(
                  queue,
                  (message) => {
                    took(message.content.toString());
                    channel.ack(message);
                  },
                  {},
                  then(() =>
                    resolve({
                      publish: async (id) => channel.sendToQueue(queue, Buffer.from(id)),
                      stop: () => new Promise((closed) => connection.close(closed)),
                    }),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    );
  });
}
