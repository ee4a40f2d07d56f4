'use strict';
// Its job store keeps only known fields, so the app puts the tag into the data, and runs the handler in it, as in docs/guides/messages.md.
const { currentLane, runInLane } = require('@lane/core');

module.exports = async (handle) => {
  const [{ Agenda }, { MongoBackend }] = await Promise.all([import('agenda'), import('@agendajs/mongo-backend')]);
  const agenda = new Agenda({
    processEvery: 200,
    defaultConcurrency: 50,
    maxConcurrency: 50,
    backend: new MongoBackend({ address: `mongodb://127.0.0.1:${process.env.MONGO}/agenda6-${process.pid}` }),
  });
  agenda.define('shop', ({ attrs: { data } }) => runInLane(data.lane, () => handle(data.id, data.own)));
  await agenda.start();
  const dataOf = (id) => ({ id, own: 'kept', lane: currentLane() });
  return {
    now: (id) => agenda.now('shop', dataOf(id)),
    schedule: (id) => agenda.schedule(new Date(Date.now() + 5), 'shop', dataOf(id)),
  };
};
