'use strict';
// A consumer that throws at a message of lane gray; reports the events of its process and its connection.

const { runInLane } = require('@lane/core');
const { connect } = require('amqplib');

process.on('uncaughtException', (error, origin) => console.log(origin, error.message));
async function main() {
  const queue = `throws-${process.pid}`;
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${process.env.RABBITMQ}`);
  connection.on('error', (error) => console.log('error', error.message));
  connection.on('close', () => {
    console.log('close');
    process.exit(0);
  });
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, { autoDelete: true });
  await channel.consume(queue, () => {
    throw new Error('of the app');
  });
  runInLane('gray', () => channel.sendToQueue(queue, Buffer.from('')));
}
void main();
