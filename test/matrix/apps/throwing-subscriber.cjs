'use strict';
// A NATS subscription callback that throws at a message of lane gray; reports the events of its process, and whether the connection is still read.

const { runInLane } = require('@lane/core');
const { connect } = require(process.argv[2]);

process.on('uncaughtException', (error, origin) => console.log(origin, error.message));
const { log } = console;
console.log = (first, ...rest) => {
  log(first, ...rest.map((value) => value?.message ?? value));
  // The client's own message at the end of its reader.
  if (first === 'reader closed') setImmediate(() => process.exit(0));
};
async function main() {
  const subject = `throws-${process.pid}`;
  const connection = await connect({ servers: `127.0.0.1:${process.env.NATS}` });
  connection.subscribe(subject, {
    callback: (_, message) => {
      log('called', message.string());
      throw new Error('of the app');
    },
  });
  await connection.flush();
  runInLane('gray', () => connection.publish(subject, 'first'));
}
void main();
