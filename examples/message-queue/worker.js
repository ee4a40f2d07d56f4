'use strict';
// Handles orders from the queue; each order goes to one worker. Calls C by its service name.

const { connect, StringCodec } = require('nats');

const NAME = process.env.NAME ?? 'Worker';
const text = StringCodec();

async function main() {
  const queue = await connect({ servers: process.env.NATS });
  const orders = queue.subscribe('orders', { queue: 'workers' });
  await queue.flush();
  console.log(`${NAME} is waiting for orders`);
  for await (const order of orders) {
    void handle(order).catch((error) => order.respond(text.encode(`${NAME}: ${error.message}`)));
  }
}

async function handle(order) {
  const answer = await fetch('http://spring-cloud-c/c');
  order.respond(text.encode(`${NAME}[${process.pid}] -> ${await answer.text()}`));
}

void main();
