/**
 * The clients, in a separate process: plain sockets, which cost little compared with the entries. An answer ends by its Content-Length or with the last
 * chunk; bodies are discarded.
 */
'use strict';
const net = require('node:net');

const HEAD = 'GET /a HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\nbaggage: user=42,session=8f2a91c0\r\n\r\n';
const END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

/** A connection that sends one request at a time. */
class Client {
  #socket;
  #got = Buffer.alloc(0);
  #left = -1;
  #isChunked = false;
  #isLast = false;
  #done;
  #fail;

  constructor(port) {
    this.port = port;
  }

  connected() {
    const socket = net.connect({ port: this.port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#fail?.(error));
    // A server may close the connection between two requests: nginx does after a thousand.
    socket.on('close', () => this.#fail?.(new Error('the connection was closed')));
    return new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  }

  async ask(head = HEAD) {
    if (this.#socket.destroyed || this.#socket.readableEnded) await this.connected();
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      this.#socket.write(head);
    });
  }

  close() {
    this.#fail = undefined;
    this.#socket.destroy();
  }

  #read(chunk) {
    if (this.#left < 0 && !this.#isChunked) {
      this.#got = this.#got.length === 0 ? chunk : Buffer.concat([this.#got, chunk]);
      const end = this.#got.indexOf(END);
      if (end === -1) return;
      const head = this.#got.subarray(0, end).toString('latin1');
      this.#isLast = /\r\nconnection: close/i.test(head);
      if (!head.startsWith('HTTP/1.1 200 ')) {
        this.#fail(new Error(head.split('\r\n')[0]));
        return;
      }
      const length = /\r\ncontent-length: *(\d+)/i.exec(head);
      const body = this.#got.subarray(end + 4);
      this.#got = Buffer.alloc(0);
      this.#isChunked = length === null;
      this.#left = length === null ? -1 : Number(length[1]);
      chunk = body;
    }
    if (this.#isChunked) {
      const tail = Buffer.concat([this.#got, chunk.subarray(-5)]).subarray(-5);
      this.#got = tail;
      if (!tail.equals(LAST_CHUNK)) return;
    } else {
      this.#left -= chunk.length;
      if (this.#left > 0) return;
    }
    this.#left = -1;
    this.#isChunked = false;
    this.#got = Buffer.alloc(0);
    const done = this.#done;
    this.#fail = undefined;
    if (this.#isLast) this.#socket.destroy();
    done();
  }
}

const idle = [];
const pools = new Map();

async function pool(port, size) {
  const clients = pools.get(port) ?? [];
  pools.set(port, clients);
  while (clients.length < size) {
    const client = new Client(port);
    await client.connected();
    clients.push(client);
  }
  return clients.slice(0, size);
}

const TASKS = {
  /** Sends `count` requests, as fast as they are answered; returns how long that took, in ms. */
  async closed({ port, count, connections }) {
    const clients = await pool(port, connections);
    let left = count;
    const begun = performance.now();
    await Promise.all(
      clients.map(async (client) => {
        while (left-- > 0) await client.ask();
      }),
    );
    return { ms: performance.now() - begun };
  },
  /** Sends requests at a rate, whether or not earlier ones are answered; returns how long each took from when it was due, in ms. */
  async open({ port, rate, seconds, connections }) {
    const free = [...(await pool(port, connections))];
    const waiting = [];
    const times = [];
    const total = Math.round(rate * seconds);
    const begun = performance.now();
    let sent = 0;
    await new Promise((resolve, reject) => {
      const serve = (client, due) => {
        client.ask().then(() => {
          times.push(performance.now() - due);
          if (times.length === total) return resolve();
          const next = waiting.shift();
          if (next === undefined) free.push(client);
          else serve(client, next);
        }, reject);
      };
      const tick = () => {
        const now = performance.now();
        while (sent < total && begun + (sent * 1_000) / rate <= now) {
          const due = begun + (sent++ * 1_000) / rate;
          const client = free.pop();
          if (client === undefined) waiting.push(due);
          else serve(client, due);
        }
        if (sent < total) setImmediate(tick);
      };
      tick();
    });
    return { times };
  },
  /** Opens connections that send one request, and then stay idle. */
  async idle({ port, count }) {
    for (let i = 0; i < count; i += 50) {
      const some = Array.from({ length: Math.min(50, count - i) }, () => new Client(port));
      for (const client of some) {
        idle.push(client);
        await client.connected();
      }
      await Promise.all(some.map((client) => client.ask()));
    }
    return {};
  },
  async leave() {
    for (const client of idle.splice(0)) client.close();
    return {};
  },
  /** Concurrent downloads. */
  async download({ port, count }) {
    const clients = Array.from({ length: count }, () => new Client(port));
    await Promise.all(clients.map((client) => client.connected()));
    await Promise.all(clients.map((client) => client.ask(HEAD.replace('/a', '/large'))));
    for (const client of clients) client.close();
    return {};
  },
};

process.on('message', ({ what, ...rest }) => {
  TASKS[what](rest).then(
    (result) => process.send(result),
    (error) => process.send({ problem: error.message }),
  );
});
process.once('disconnect', () => process.exit());
process.send({});
