'use strict';
// Counts live objects in this process with the inspector, which finds them by prototype after a full garbage collection.

const inspector = require('node:inspector');

/** Called in the process with an array of all objects. Passed as text, so it cannot use anything of this file. */
function count() {
  const EventEmitter = process.getBuiltinModule?.('node:events') ?? process.mainModule.require('node:events');
  const figures = { listeners: 0, emitters: 0, maps: 0, 'entries of maps': 0, sets: 0, 'entries of sets': 0, arrays: 0, promises: 0 };
  for (const one of this) {
    try {
      // Prototypes themselves are also found, and throw.
      if (one instanceof Map) {
        figures['entries of maps'] += one.size;
        figures.maps++;
      } else if (one instanceof Set) {
        figures['entries of sets'] += one.size;
        figures.sets++;
      } else if (Array.isArray(one)) figures.arrays++;
      else if (one instanceof Promise) figures.promises++;
      else if (one instanceof EventEmitter) {
        for (const name of one.eventNames()) figures.listeners += one.listenerCount(name);
        figures.emitters++;
      }
    } catch {}
  }
  return figures;
}

/** Figures by name: objects, their entries, active resources of Node.js (`handles`), and memory in MiB (`heap`, `rss`). */
exports.takeCensus = function takeCensus() {
  const session = new inspector.Session();
  session.connect();
  // `post` calls back before it returns.
  const post = (method, params) => {
    let answer;
    session.post(method, params, (error, result) => {
      if (error) throw new Error(`${method}: ${error.message}`);
      answer = result;
    });
    return answer;
  };
  try {
    const { result: prototype } = post('Runtime.evaluate', { expression: 'Object.prototype' });
    const { objects } = post('Runtime.queryObjects', { prototypeObjectId: prototype.objectId });
    const { result } = post('Runtime.callFunctionOn', { objectId: objects.objectId, functionDeclaration: count.toString(), returnByValue: true });
    const { heapUsed, rss } = process.memoryUsage();
    return { ...result.value, handles: process.getActiveResourcesInfo().length, heap: heapUsed / 2 ** 20, rss: rss / 2 ** 20 };
  } finally {
    session.disconnect();
  }
};
