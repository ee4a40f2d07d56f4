/** Common to the examples of entry gateways: the shop behind them, and rules of each kind. */
import { shop, SHOP_SERVICES } from './shop.mjs';

const BASE_HOST = 'www.aliyundoc.com';
const BASE = /^A\[[\d.:]+\] -> B\[[\d.:]+\] -> C\[[\d.:]+\]$/;
const GRAY = /^Agray\[[\d.:]+\] -> Bgray\[[\d.:]+\] -> Cgray\[[\d.:]+\]$/;

/** Makes the example for a gateway. */
export const entryExample = (title, gateway, install) => ({
  title: `${title} -> A -> B -> C`,
  services: SHOP_SERVICES,
  entry: 'spring-cloud-a',
  ...(install === undefined ? {} : { install }),
  processes: ({ root }) => shop(root, ['a', 'b', 'c']),
  rules: [
    { name: 'by-host', match: { host: { exact: 'www.example.com' } } },
    { name: 'by-header', match: { header: 'x-user', in: ['alice', 'bob'] } },
    { name: 'by-cookie', match: { cookie: 'release', exact: 'gray' } },
    { name: 'by-weight', match: { host: { exact: 'half.example.com' } }, percent: 50 },
  ],
  gateway,
  requests: [
    { path: '/a', answer: BASE },
    { path: '/a', gray: true, answer: GRAY },
    { path: '/a', gray: true, host: BASE_HOST, headers: { 'x-user': 'alice' }, answer: GRAY },
    { path: '/a', gray: true, host: BASE_HOST, headers: { cookie: 'theme=dark; release=gray' }, answer: GRAY },
    // All in one lane or all in the other, never a mix.
    { path: '/a', lane: 'Half', host: 'half.example.com', answer: new RegExp(`${BASE.source}|${GRAY.source}`) },
    // The lane that a client claims is ignored.
    { path: '/a', headers: { baggage: 'lane=gray' }, answer: BASE },
  ],
});
