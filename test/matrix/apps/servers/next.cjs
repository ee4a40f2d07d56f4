'use strict';
const net = require('node:net');
const { freePort } = require('./free-port.cjs');

exports.start = async () => {
  process.env.PORT = String(await freePort());
  process.env.HOSTNAME = '127.0.0.1';
  const { listen } = net.Server.prototype;
  const listening = new Promise((resolve) => {
    net.Server.prototype.listen = function (...args) {
      this.once('listening', () => resolve(this.address().port));
      return listen.apply(this, args);
    };
  });
  require(process.env.NEXT_SERVER);
  return listening;
};
