'use strict';
// A process whose connection to Nacos breaks when it is killed: our close() would deregister.
const { connectNacos } = require('@lane/nacos-registry');

const { options, service, instance } = JSON.parse(process.argv[2]);

// The IPC channel keeps this process alive until it is killed or the test process ends. Nothing of ours would.
process.on('disconnect', () => process.exit());
connectNacos(options)
  .register(service, instance)
  .then(
    () => process.send('registered'),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
