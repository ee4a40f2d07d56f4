'use strict';
const { Client } = require('faye-websocket');

const call = (url, headers) =>
  new Promise((resolve, reject) => {
    const socket = new Client(url, [], { headers });
    socket.on('error', reject);
    socket.on('message', ({ data }) => {
      resolve(data);
      socket.close();
    });
  });

module.exports = {
  Client: { schemes: ['ws'], call },
  // It uses an address as the TLS server name, which Node 26 rejects.
  'Client, TLS by name': { schemes: ['wss'], scenarios: ['name'], call },
};
