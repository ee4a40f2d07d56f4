'use strict';
// Each request connects three times, the second and third time in a handler of the previous connection, and answers with what it received.
const http = require('node:http');

const TIMES = 3;
const [client, transport] = process.argv.slice(2);

/** Calls `heard` with each message, until it returns true. */
const CLIENTS = {
  sockjs(url, heard, failed) {
    const SockJS = require('sockjs-client');
    const connect = () => {
      let ends = false;
      const socket = new SockJS(`${url}/sockjs`, null, { transports: [transport], timeout: 30_000 });
      socket.onmessage = ({ data }) => void (ends = heard(data));
      socket.onclose = ({ code, reason }) => {
        if (code >= 2000) failed(new Error(reason));
        else if (!ends) connect();
      };
    };
    connect();
  },
  undici: (url, heard) => listen(new (require('undici7').EventSource)(url), heard),
  node: (url, heard) => listen(new EventSource(url), heard),
};

function listen(source, heard) {
  source.onmessage = ({ data }) => {
    if (heard(data)) source.close();
  };
}

http
  .createServer(async (request, response) => {
    process.send({ kind: 'request' });
    for await (const chunk of request) void chunk;
    const messages = [];
    const heard = (data) => {
      messages.push(data);
      if (messages.length < TIMES) return false;
      response.end(messages.join(' '));
      return true;
    };
    CLIENTS[client](new URL(request.url, 'http://host').searchParams.get('url'), heard, (error) => response.writeHead(500).end(String(error)));
  })
  .listen(0, '127.0.0.1', function () {
    process.send({ port: this.address().port });
  });
