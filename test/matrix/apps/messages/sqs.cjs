'use strict';
const { CreateQueueCommand, SQS, SQSClient, SendMessageBatchCommand, SendMessageCommand } = require('@aws-sdk/client-sqs');

module.exports = async (handle, name) => {
  const { Consumer } = name === 'module' ? await import('sqs-consumer') : require(name);
  const options = {
    endpoint: `http://127.0.0.1:${process.env.SQS}`,
    region: 'elasticmq',
    credentials: { accessKeyId: 'none', secretAccessKey: 'none' },
  };
  const [client, aggregated] = [new SQSClient(options), new SQS(options)];
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: `shop-${process.pid}` }));
  for (let i = 0; i < 2; i++) {
    const consumer = Consumer.create({
      queueUrl: QueueUrl,
      sqs: client,
      batchSize: 10,
      waitTimeSeconds: 1,
      messageAttributeNames: ['own'],
      handleMessage: async (message) => {
        await handle(message.Body, message.MessageAttributes.own.StringValue);
        return message;
      },
    });
    consumer.start();
  }
  const messageOf = (id) => ({ MessageBody: id, MessageAttributes: { own: { DataType: 'String', StringValue: 'kept' } } });
  return {
    send: (id) => client.send(new SendMessageCommand({ QueueUrl, ...messageOf(id) })),
    'of the class with all commands': (id) => aggregated.sendMessage({ QueueUrl, ...messageOf(id) }),
    'with a callback': (id) =>
      new Promise((resolve, reject) => {
        client.send(new SendMessageCommand({ QueueUrl, ...messageOf(id) }), (error) => (error ? reject(error) : resolve()));
      }),
    batch: (id) => client.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: 'one', ...messageOf(id) }] })),
  };
};
