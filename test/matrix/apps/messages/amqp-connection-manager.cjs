'use strict';
// Messages are submitted while the channel waits for its setup, and published in one batch.
const { connect } = require('amqp-connection-manager');

/** This many share a channel, and are held until the last one has arrived. Few if hooks fail, because failing hooks disable themselves. */
const TOGETHER = globalThis.laneHooks === undefined ? 17 : 3;

module.exports = async (handle) => {
  const connection = connect([`amqp://guest:guest@127.0.0.1:${process.env.RABBITMQ}`]);
  const options = () => ({ headers: { own: 'kept' } });
  const forms = {};
  for (const confirm of [true, false]) {
    const queue = `shop-${process.pid}-${confirm}`;
    const consuming = connection.createChannel({ setup: (channel) => channel.assertQueue(queue, { autoDelete: true }) });
    await consuming.waitForConnect();
    await consuming.consume(queue, async (message) => {
      await handle(message.content.toString(), message.properties.headers.own);
      consuming.ack(message);
    });
    const form = (name, publish) => {
      let count = 0;
      let open;
      let channel;
      forms[`${name}, ${confirm ? 'confirmed' : 'not confirmed'}`] = (id) => {
        if (count++ % TOGETHER === 0) {
          const gate = new Promise((opened) => (open = opened));
          channel = connection.createChannel({ confirm, setup: () => gate });
        }
        const published = publish(channel, queue, id);
        if (count % TOGETHER === 0) open();
        return published;
      };
    };
    form('sendToQueue', (channel, to, id) => channel.sendToQueue(to, id, options()));
    form('publish', (channel, to, id) => channel.publish('', to, id, options()));
    form(
      'publish, callback',
      (channel, to, id) => new Promise((done, failed) => channel.publish('', to, id, options(), (error) => (error ? failed(error) : done()))),
    );
  }
  return forms;
};
