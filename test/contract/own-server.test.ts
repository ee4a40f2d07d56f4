import { nacosServers } from '../servers/index.js';
import { grpcDriver } from './grpc-driver.js';
import { ownGrpcDriver } from './own-grpc-driver.js';
import { nacosDriver } from './nacos-driver.js';
import { describeOwnNacos } from './own-server.js';

for (const server of nacosServers()) {
  if (server.startOwn !== undefined) describeOwnNacos(server, server.grpc ? [nacosDriver, grpcDriver, ownGrpcDriver] : [nacosDriver]);
}
