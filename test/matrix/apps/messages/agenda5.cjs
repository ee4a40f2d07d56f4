'use strict';
const { Agenda } = require('agenda5');

module.exports = async (handle) => {
  const agenda = new Agenda({
    processEvery: 200,
    defaultConcurrency: 50,
    maxConcurrency: 50,
    db: { address: `mongodb://127.0.0.1:${process.env.MONGO}/agenda5-${process.pid}` },
  });
  agenda.define('shop', (job) => handle(job.attrs.data.id, job.attrs.data.own));
  await agenda.start();
  const dataOf = (id) => ({ id, own: 'kept' });
  return {
    now: (id) => agenda.now('shop', dataOf(id)),
    schedule: (id) => agenda.schedule(new Date(Date.now() + 5), 'shop', dataOf(id)),
    create: (id) => agenda.create('shop', dataOf(id)).schedule(new Date()).save(),
    unique: (id) => agenda.create('shop', dataOf(id)).unique({ 'data.id': id }).schedule(new Date()).save(),
  };
};
