import { describe, expect, test } from 'vitest';
import { parseServers } from './server-address.js';

describe('the address of a Nacos server', () => {
  test.each([
    ['nacos', { host: 'nacos', port: 8848, contextPath: '/nacos', secure: false, label: 'nacos:8848' }],
    ['10.0.0.1:9000', { host: '10.0.0.1', port: 9000, contextPath: '/nacos', secure: false, label: '10.0.0.1:9000' }],
    ['nacos:80', { host: 'nacos', port: 80, contextPath: '/nacos', secure: false, label: 'nacos:80' }],
    ['nacos:8848/registry/', { host: 'nacos', port: 8848, contextPath: '/registry', secure: false, label: 'nacos:8848' }],
    ['http://nacos', { host: 'nacos', port: 80, contextPath: '/nacos', secure: false, label: 'nacos:80' }],
    [
      'https://nacos.example.com/nacos',
      { host: 'nacos.example.com', port: 443, contextPath: '/nacos', secure: true, label: 'nacos.example.com:443' },
    ],
    ['[::1]:8848', { host: '::1', port: 8848, contextPath: '/nacos', secure: false, label: '[::1]:8848' }],
  ])('%s', (text, server) => {
    expect(parseServers(text)).toEqual([server]);
  });

  test('several, in a comma-separated list', () => {
    expect(parseServers('a:1, b , ').map(({ label }) => label)).toEqual(['a:1', 'b:8848']);
  });

  test.each(['', ' , ', 'host:port', 'nacos:99999', 'ftp://nacos', 'http://', 'nacos?x=1', 'user:password@nacos'])('none: "%s"', (text) => {
    expect(() => parseServers(text)).toThrow(
      expect.objectContaining({ code: 'ELANE_NACOS_SERVER', message: expect.stringContaining('LANE_NACOS_SERVER') }),
    );
  });
});
