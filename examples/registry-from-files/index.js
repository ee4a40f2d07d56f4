// Your own registry. FILES_REGISTRY names a folder; `stock.json` in it has the instances of the service `stock`:
//   [{ "ip": "127.0.0.1", "port": 9001 }, { "ip": "127.0.0.1", "port": 9002, "metadata": { "lane": "gray" } }]
// An app that has this package installed uses it with LANE_REGISTRY=@acme/lane-files and LANE_SERVICES=stock.
'use strict';
const { existsSync, readdirSync, readFileSync, watch } = require('node:fs');
const { join } = require('node:path');

const DEFAULTS = { weight: 1, healthy: true, enabled: true };

/** @type {import('@lane/core/model').CreateRegistry} */
exports.createRegistry = ({ log, holdProcess }) => {
  const folder = process.env.FILES_REGISTRY;
  if (!folder || !existsSync(folder))
    throw new Error(`FILES_REGISTRY=${folder} is not a folder: set it to the one with a JSON file for each service`);

  /** @type {Map<string, Set<() => void>>} */
  const observers = new Map();
  let reachable = true;

  /** All instances of a service; undefined if there is no such service. */
  function read(name) {
    const file = join(folder, `${name}.json`);
    if (!existsSync(file)) return undefined;
    return JSON.parse(readFileSync(file, 'utf8')).map((instance) => ({ metadata: {}, ...DEFAULTS, ...instance }));
  }

  // Tells observers at each change. Must not keep a finished app alive.
  const watcher = watch(folder, { persistent: holdProcess }, (_event, file) => {
    for (const look of observers.get(String(file).replace(/\.json$/, '')) ?? []) look();
  });
  watcher.on('error', (error) => {
    reachable = false;
    log.warn(`cannot watch the folder ${folder} any more: ${error.message}. Keeping the known instances`);
  });

  return {
    defaultGroup: 'files',
    get state() {
      return { kind: '@acme/lane-files', server: folder, namespace: '', transport: 'file', addresses: [], reachable };
    },
    observe({ name }, listener) {
      let told;
      const look = () => {
        try {
          const instances = read(name);
          const text = JSON.stringify(instances);
          if (told !== undefined && told.text === text) return;
          told = { text };
          listener(instances);
        } catch (error) {
          // Somebody is writing the file: the next change event finds it complete.
          log.debug(`cannot read ${name}.json: ${error.message}`);
        }
      };
      if (!observers.has(name)) observers.set(name, new Set());
      observers.get(name).add(look);
      queueMicrotask(() => observers.get(name)?.has(look) && look());
      return () => void observers.get(name)?.delete(look);
    },
    list: async ({ name }) => read(name) ?? [],
    services: async () =>
      readdirSync(folder)
        .filter((file) => file.endsWith('.json'))
        .map((file) => file.slice(0, -5)),
    async close() {
      observers.clear();
      watcher.close();
    },
  };
};
