'use strict';
// The embedded Nacos in a process of its own: `nacos-sdk-rust-binding-node` blocks the thread until it is connected, and a server on that thread would never answer.
const { startEmbeddedNacos } = require('@lane/embedded-nacos');

process.on('disconnect', () => process.exit());
startEmbeddedNacos(JSON.parse(process.argv[2])).then(
  ({ port }) => process.send({ port }),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
