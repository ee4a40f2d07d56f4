// A service of a chain: registers by the SDK, answers with its name and lane, and asks the next service in the way that the path says:
// /select (instances anew at each call), /cached (the list of the start), /name (by name). It knows nothing of lanes.
const http = require('node:http');
const { NacosNamingClient } = require('nacos');

const { SERVICE, NAME, NEXT, SERVER, PORT, BEATS, CREDENTIALS } = process.env;
const agent = new http.Agent({ keepAlive: true });
const logger = { ...console, info() {}, debug() {}, warn() {}, error() {}, log() {} };
const naming = new NacosNamingClient({ serverList: SERVER, namespace: 'public', logger, ...JSON.parse(CREDENTIALS ?? '{}') });
naming.on('error', () => {});
let cached = [];
let beating;

function ask(host, port, path) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host, port, path, agent, timeout: 5_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(body)))).on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('ETIMEDOUT'))).on('error', reject);
  });
}

async function next(path) {
  if (path === '/name') return ask(NEXT, 80, path);
  const list = path === '/cached' ? cached : await naming.selectInstances(NEXT, 'DEFAULT_GROUP', '', true);
  if (list.length === 0) throw new Error(`no instance of ${NEXT}`);
  const { ip, port } = list[Math.floor(Math.random() * list.length)];
  return ask(ip, port, path);
}

const server = http.createServer((request, response) => {
  if (NEXT === undefined) return void response.end(NAME);
  next(request.url).then(
    (answer) => response.end(`${NAME} ${answer}`),
    (error) => response.writeHead(502).end(`${NAME} ${error.code ?? ''} ${error.message}`),
  );
});

async function start() {
  await naming.ready();
  // Requests come as soon as it is registered.
  while (NEXT !== undefined && cached.length < Number(process.env.PEERS)) {
    cached = [...(await naming.getAllInstances(NEXT))];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const instance = { ip: '127.0.0.1', port, metadata: JSON.parse(BEATS ?? '{}') };
  for (const service of [SERVICE, ...(process.env.ALSO ?? '').split(',').filter(Boolean)]) await naming.registerInstance(service, instance);
  // The SDK's first beat comes up to 10 s late, when instances whose beats go faster have been forgotten.
  const interval = Number(instance.metadata['preserved.heart.beat.interval']);
  if (interval > 0) {
    beating = setInterval(() => void naming.registerInstance(SERVICE, instance).catch(() => {}), interval);
    setTimeout(() => clearInterval(beating), 11_000);
  }
  process.send({ port });
}
// Deregisters, serves those who have not heard of it yet, then goes.
process.on('SIGTERM', async () => {
  clearInterval(beating);
  await naming.deregisterInstance(SERVICE, { ip: '127.0.0.1', port: port }).catch(() => {});
  setTimeout(() => process.exit(0), 3_000);
});
// The port closes, and opens again at the next signal; beats go on.
process.on('SIGUSR2', () => {
  if (!server.listening) return void server.listen(port, '127.0.0.1');
  server.close();
  server.closeAllConnections();
});
// Connections are accepted and reset, until the next signal.
let resets = false;
process.on('SIGHUP', () => {
  resets = !resets;
  if (resets) server.closeAllConnections();
});
server.prependListener('connection', (socket) => resets && socket.resetAndDestroy());

// A connection that is closed for being idle just as it is used again would count as the fault's.
server.keepAliveTimeout = 0;

const port = Number(PORT);
// LISTEN_AFTER_MS: registered before it listens, as one whose start is slow.
setTimeout(() => server.listen(port, '127.0.0.1'), Number(process.env.LISTEN_AFTER_MS ?? 0));
void start();
