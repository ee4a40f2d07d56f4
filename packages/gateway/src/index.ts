export { GATEWAY_SERVICE, startGateway, type EntryMode, type Gateway, type GatewayOptions } from './gateway.js';
export type { GatewayRoute } from './routes.js';
