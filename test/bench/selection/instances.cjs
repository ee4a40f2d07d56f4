'use strict';
/** Half of the instances are base, the others distributed over the lanes; weights from 1 to 10. */
exports.instancesOf = (count, lanes, first = 0) =>
  Array.from({ length: count }, (_, i) => ({
    ip: `10.${((i + first) >> 16) & 255}.${((i + first) >> 8) & 255}.${(i + first) & 255}`,
    port: 8080,
    weight: 1 + (i % 10),
    healthy: true,
    enabled: true,
    metadata: i % 2 === 0 ? { version: '1.0', zone: 'a' } : { version: '1.1', zone: 'b', lane: `lane-${(i >> 1) % lanes}` },
  }));
