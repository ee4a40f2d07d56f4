/* Preloaded by NODE_OPTIONS in pods. Old syntax, and it never throws: a preload that throws ends the app. */
'use strict';
// drain.cjs inherits NODE_OPTIONS of the app, and must not start an agent on the same port.
if (process.argv[1] !== __dirname + '/drain.cjs') {
  try {
    require(__dirname + '/node_modules/@lane/agent');
  } catch (error) {
    process.stderr.write(
      'lane: the agent in ' + __dirname + ' can not be loaded, the app runs without lanes: ' + String(error && error.message).split('\n')[0] + '\n',
    );
  }
}
