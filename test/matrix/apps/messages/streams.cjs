'use strict';
// Redis Streams call no handler: the app sets the tag as a field, and runs the handler in it, as in docs/guides/messages.md.
const { currentLane, runInLane } = require('@lane/core');

const STREAM = `shop-${process.pid}`;
const PORT = Number(process.env.REDIS);

module.exports = async (handle, name) => {
  const { add, read, group } = name === 'redis' ? await ofRedis() : ofIoredis(name);
  await group();
  const received = async () => {
    for (;;) {
      for (const { id, own, lane } of await read()) void runInLane(lane, () => handle(id, own));
    }
  };
  void received();
  return { add: (id) => add({ id, own: 'kept', lane: currentLane() ?? '' }) };
};

function ofIoredis(name) {
  const Redis = require(name);
  const [sender, receiver] = [new Redis(PORT, '127.0.0.1'), new Redis(PORT, '127.0.0.1')];
  return {
    group: () => sender.xgroup('CREATE', STREAM, 'handlers', '$', 'MKSTREAM'),
    add: (fields) => sender.xadd(STREAM, '*', ...Object.entries(fields).flat()),
    read: async () => {
      const answer = await receiver.xreadgroup('GROUP', 'handlers', 'one', 'COUNT', 10, 'BLOCK', 0, 'STREAMS', STREAM, '>');
      return answer[0][1].map(([, fields]) => Object.fromEntries(fields.map((name, i) => [name, fields[i + 1]]).filter((_, i) => i % 2 === 0)));
    },
  };
}

async function ofRedis() {
  const { createClient } = require('redis');
  const [sender, receiver] = [createClient({ url: `redis://127.0.0.1:${PORT}` }), createClient({ url: `redis://127.0.0.1:${PORT}` })];
  await Promise.all([sender.connect(), receiver.connect()]);
  return {
    group: () => sender.xGroupCreate(STREAM, 'handlers', '$', { MKSTREAM: true }),
    add: (fields) => sender.xAdd(STREAM, '*', fields),
    read: async () => {
      const answer = await receiver.xReadGroup('handlers', 'one', [{ key: STREAM, id: '>' }], { COUNT: 10, BLOCK: 0 });
      return (answer?.[0]?.messages ?? []).map(({ message }) => message);
    },
  };
}
