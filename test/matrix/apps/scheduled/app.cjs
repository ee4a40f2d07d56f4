'use strict';
// Schedules a job at start, and another one on request; each run calls the peer.

const http = require('node:http');

const MONGO = `mongodb://127.0.0.1:${process.env.MONGO}/`;
const results = {};
function run(name) {
  http.get(process.env.PEER, (response) => {
    let body = '';
    response.on('data', (chunk) => (body += chunk));
    response.on('end', () => {
      results[name] ??= JSON.parse(body).baggage.join();
      process.send({ kind: name });
    });
  });
}

const EVERY_SECOND = '* * * * * *';
const LIBRARIES = {
  'node-schedule': async () => (name) => require('node-schedule').scheduleJob(EVERY_SECOND, () => run(name)),
  cron: async () => (name) => new (require('cron').CronJob)(EVERY_SECOND, () => run(name)).start(),
  'node-cron 4': async () => (name) => require('node-cron').schedule(EVERY_SECOND, () => run(name)),
  'node-cron 3': async () => (name) => require('node-cron3').schedule(EVERY_SECOND, () => run(name)),
  '@nestjs/schedule': async () => {
    require('reflect-metadata');
    const { Module } = require('@nestjs/common');
    const { NestFactory } = require('@nestjs/core');
    const { ScheduleModule, SchedulerRegistry, Cron } = require('@nestjs/schedule');
    const { createRequire } = require('node:module');
    const { CronJob } = createRequire(require.resolve('@nestjs/schedule'))('cron');
    class Jobs {
      boot() {
        run('boot');
      }
    }
    Cron(EVERY_SECOND)(Jobs.prototype, 'boot', Object.getOwnPropertyDescriptor(Jobs.prototype, 'boot'));
    class App {}
    Module({ imports: [ScheduleModule.forRoot()], providers: [Jobs] })(App);
    const app = await NestFactory.createApplicationContext(App, { logger: false });
    return (name) => {
      if (name === 'boot') return;
      const job = new CronJob(EVERY_SECOND, () => run(name));
      app.get(SchedulerRegistry).addCronJob(name, job);
      job.start();
    };
  },
  'agenda 5': async () => withAgenda(require('agenda5').Agenda, { db: { address: `${MONGO}agenda5-${process.pid}` } }),
  'agenda 6': async () => {
    const { MongoBackend } = await import('@agendajs/mongo-backend');
    return withAgenda((await import('agenda')).Agenda, { backend: new MongoBackend({ address: `${MONGO}agenda6-${process.pid}` }) });
  },
};

/** It polls for jobs; this is how often. */
async function withAgenda(Agenda, options) {
  const agenda = new Agenda({ processEvery: 200, ...options });
  for (const name of ['boot', 'late']) agenda.define(name, async () => run(name));
  await agenda.start();
  return (name) => agenda.every('1 second', name);
}

async function main() {
  const schedule = await LIBRARIES[process.argv[2]]();
  schedule('boot');
  const server = http.createServer((request, response) => {
    if (request.url === '/results') return void response.end(JSON.stringify(results));
    schedule('late');
    response.end('scheduled');
  });
  server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}
main();
