'use strict';
// Resolves every host name to this machine, for every client.
const dns = require('node:dns');
dns.lookup = (_, given, last) => {
  const [options, done] = typeof given === 'function' ? [{}, given] : [given, last];
  if (options.all) done(null, [{ address: '127.0.0.1', family: 4 }]);
  else done(null, '127.0.0.1', 4);
};
