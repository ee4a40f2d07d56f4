// Your own instrumentation, for the library in ./acme-queue, which calls back from a queue in the lane of the first caller.
// An app that has this package installed uses it with LANE_INSTRUMENTATIONS=@acme/lane-queue.
'use strict';

/** @type {import('@lane/core/agent').InstrumentationPackage['instrumentations']} */
exports.instrumentations = {
  'acme-queue': {
    library: 'acme-queue',
    versions: { 'acme-queue': '1 - 2' },
    patches: 'Queue.prototype.push: its callback',
    files: ['acme-queue/index.js'],
    patch({ exports, tools: { wrap, safely, bindLane } }) {
      const { Queue } = /** @type {{ Queue: { prototype: object } }} */ (exports);
      const bound = safely((/** @type {unknown[]} */ args) =>
        args.map((arg) => (typeof arg === 'function' ? bindLane(/** @type {() => unknown} */ (arg)) : arg)),
      );
      wrap(
        Queue.prototype,
        'push',
        (original) =>
          function push(...args) {
            return Reflect.apply(original, this, bound(args) ?? args);
          },
      );
    },
  },
};
