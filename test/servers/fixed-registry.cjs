/** Registries with fixed content. */
'use strict';

/**
 * A registry with one service.
 *
 * @param {string} service its name
 * @param {readonly object[]} instances those of the service
 */
exports.registryOf = (service, instances) => ({
  state: undefined,
  defaultGroup: 'DEFAULT_GROUP',
  observe: (_key, listener) => {
    listener(instances);
    return () => {};
  },
  list: async () => instances,
  services: async () => [service],
  close: async () => {},
});

/**
 * A registry with one service, `web`, which has one instance on loopback.
 *
 * @param {number} port that of the instance
 */
exports.registryOfOne = (port) => exports.registryOf('web', [{ ip: '127.0.0.1', port, healthy: true, enabled: true, weight: 1, metadata: {} }]);
