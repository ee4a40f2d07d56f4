/** A registry that has one service, `web`, with one instance, on loopback. */
'use strict';

/** @param {number} port that of the instance */
exports.registryOfOne = (port) => {
  const instance = { ip: '127.0.0.1', port, healthy: true, enabled: true, weight: 1, metadata: {} };
  return {
    state: undefined,
    defaultGroup: 'DEFAULT_GROUP',
    observe: (_key, listener) => {
      listener([instance]);
      return () => {};
    },
    list: async () => [instance],
    services: async () => ['web'],
    close: async () => {},
  };
};
