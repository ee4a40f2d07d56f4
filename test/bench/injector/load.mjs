/**
 * An open-loop load of reviews: each is sent when it is due, whether or not earlier ones are answered, and its time counts from
 * when it was due. So a server that stalls pays for all that had to wait.
 */
import https from 'node:https';
import { PODS, reviewOf } from './pods.mjs';
import { makeCertificate, startDoNothing, startInjector } from './webhooks.mjs';

/**
 * The API server speaks HTTP/1.1 to webhooks, and keeps this many idle connections (client-go). When they are busy it opens another, but uses
 * one that becomes free in the meantime. Node's client waits for the new one: after a stall it would open more and more.
 */
const CONNECTIONS = 25;
/** Timers may be a millisecond or more late, so the last bit is spent in turns of the event loop. */
const SPIN_MS = 2;
const WARM_UP_SECONDS = 10;
const SLICE_SECONDS = 5;

const exponential = (mean) => -Math.log(1 - Math.random()) * mean;

/** Measures both webhooks in turn, with fresh processes each round; returns a row of figures per round. */
export async function measureLoad({ rounds, seconds, rate, node, onRound }) {
  const { files, ca, remove } = await makeCertificate();
  const rows = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const webhooks = [
        { name: 'do-nothing', server: await startDoNothing(files, node) },
        { name: 'injector', server: await startInjector(files, node) },
      ].map((one) => ({
        ...one,
        agent: new https.Agent({ keepAlive: true, maxSockets: CONNECTIONS, maxFreeSockets: CONNECTIONS, ca }),
        times: [],
        late: [],
        cpu: 0,
        rss: 0,
      }));
      for (const one of webhooks) await send(one, rate, WARM_UP_SECONDS);
      for (let sent = 0; sent < seconds; sent += SLICE_SECONDS) {
        for (const one of Math.random() < 0.5 ? webhooks : webhooks.toReversed()) {
          const before = await one.server.usage();
          const { times, late } = await send(one, rate, Math.min(SLICE_SECONDS, seconds - sent));
          one.times.push(...times);
          one.late.push(...late);
          const after = await one.server.usage();
          one.cpu += after.cpuMicroseconds - before.cpuMicroseconds;
          one.rss = Math.max(one.rss, after.rssBytes);
        }
      }
      const row = {};
      for (const { name, server, agent, times, late, cpu, rss } of webhooks) {
        const sorted = times.toSorted((a, b) => a - b);
        const at = (share) => sorted[Math.ceil(sorted.length * share) - 1];
        row[name] = {
          reviews: times.length,
          p50Ms: at(0.5),
          p99Ms: at(0.99),
          maxMs: at(1),
          lateMs: Math.max(...late),
          cpuMicroseconds: cpu / times.length,
          rssMegabytes: rss / 1e6,
        };
        agent.destroy();
        await server.stop();
      }
      rows.push(row);
      onRound(round + 1);
    }
  } finally {
    remove();
  }
  return rows;
}

let count = 0;

/** Sends for that long at a mean rate, as independent clients would; resolves with all times in ms. */
async function send({ name, server, agent }, rate, seconds) {
  const times = [];
  // How late this process itself was: the machine's share, which the times include.
  const late = [];
  const answers = [];
  const start = performance.now();
  let due = start;
  for (;;) {
    due += exponential(1000 / rate);
    if (due - start >= seconds * 1000) break;
    const { pod, isPatched } = PODS[count % PODS.length];
    // Made before it is due, like everything that is not the webhook's work.
    const uid = `705ab4f5-6393-11e8-b7cc-${String(count++).padStart(12, '0')}`;
    const body = Buffer.from(reviewOf(pod, uid));
    await until(due);
    const since = due;
    late.push(performance.now() - due);
    answers.push(
      ask(server.port, agent, body).then((text) => {
        times.push(performance.now() - since);
        const { response } = JSON.parse(text);
        if (response?.uid !== uid || response.allowed !== true || (name === 'injector' && 'patch' in response !== isPatched))
          throw new Error(`${name} answered ${text}`);
      }),
    );
  }
  await Promise.all(answers);
  return { times, late };
}

async function until(due) {
  const left = due - performance.now();
  if (left > SPIN_MS) await new Promise((resolve) => setTimeout(resolve, left - SPIN_MS));
  while (performance.now() < due) await new Promise((resolve) => setImmediate(resolve));
}

function ask(port, agent, body) {
  return new Promise((resolve, reject) => {
    const request = https.request({
      host: '127.0.0.1',
      port,
      path: '/inject/namespace?timeout=5s',
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', accept: 'application/json, */*', 'content-length': body.length },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`))));
      response.on('error', reject);
    });
    request.end(body);
  });
}
