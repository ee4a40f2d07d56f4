'use strict';
// A process whose connection to Nacos breaks when it is killed: the SDK itself has no close().
const { NacosNamingClient } = require('nacos-sdk-rust-binding-node');

const { options, service, instance } = JSON.parse(process.argv[2]);

async function main() {
  const client = new NacosNamingClient(options);
  await client.registerInstance(service.name, service.group, instance);
  process.send('registered');
  // The IPC channel keeps this process alive until it is killed or the test process ends.
  process.on('disconnect', () => process.exit());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
