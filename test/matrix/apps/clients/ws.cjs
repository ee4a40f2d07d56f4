'use strict';
const { WebSocket } = require('ws');

const schemes = ['ws', 'wss'];

module.exports = {
  WebSocket: {
    schemes,
    call: (url, headers) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(url, { headers });
        socket.on('error', reject);
        socket.on('message', (message) => {
          resolve(String(message));
          socket.terminate();
        });
      }),
  },
};
