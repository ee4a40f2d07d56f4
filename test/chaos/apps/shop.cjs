// A service of a chain: registers with the SDK, answers with its name and lane, and calls the next service in the way that the path names:
// /select (selects an instance at each call), /cached (uses the list from the start), /name (calls by name). It knows nothing of lanes.
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

/** Retries while the registry is in trouble or busy. */
async function register(service, instance, tries = 5) {
  try {
    await naming.registerInstance(service, instance);
  } catch (error) {
    if (tries === 1) throw error;
    await register(service, instance, tries - 1);
  }
}

async function start() {
  await naming.ready();
  // Requests arrive as soon as it is registered.
  while (NEXT !== undefined && cached.length < Number(process.env.PEERS)) {
    cached = [...(await naming.getAllInstances(NEXT))];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const instance = { ip: '127.0.0.1', port, metadata: JSON.parse(BEATS ?? '{}') };
  for (const service of [SERVICE, ...(process.env.ALSO ?? '').split(',').filter(Boolean)]) await register(service, instance);
  // The SDK sends the first heartbeat up to 10 s late; by then Nacos has removed instances with faster heartbeats.
  const interval = Number(instance.metadata['preserved.heart.beat.interval']);
  if (interval > 0) {
    beating = setInterval(() => void naming.registerInstance(SERVICE, instance).catch(() => {}), interval);
    setTimeout(() => clearInterval(beating), 11_000);
  }
  process.send({ port });
}
// Deregisters, serves callers that have not heard of it yet, then exits.
process.on('SIGTERM', async () => {
  clearInterval(beating);
  await naming.deregisterInstance(SERVICE, { ip: '127.0.0.1', port: port }).catch(() => {});
  setTimeout(() => process.exit(0), 3_000);
});
// Closes the port, and opens it again at the next signal; heartbeats continue.
process.on('SIGUSR2', () => {
  if (!server.listening) return void server.listen(port, '127.0.0.1');
  server.close();
  server.closeAllConnections();
});
// Accepts and resets connections, until the next signal.
let resets = false;
process.on('SIGHUP', () => {
  resets = !resets;
  if (resets) server.closeAllConnections();
});
server.prependListener('connection', (socket) => resets && socket.resetAndDestroy());

// No keep-alive: a connection closed as idle just when it is reused would count as a failure of the fault.
server.keepAliveTimeout = 0;

const port = Number(PORT);
// LISTEN_AFTER_MS: registers before it listens, like an app that starts slowly.
setTimeout(() => server.listen(port, '127.0.0.1'), Number(process.env.LISTEN_AFTER_MS ?? 0));
void start();
