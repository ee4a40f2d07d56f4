import { nacosServers, tellLeftOutServers } from '../servers/index.js';
import { grpcDriver } from './grpc-driver.js';
import { nacosDriver } from './nacos-driver.js';
import { describeNacosContract } from './suite.js';
import { describeNacosWire } from './wire.js';

tellLeftOutServers();

for (const server of nacosServers()) {
  describeNacosWire(server);
  describeNacosContract(server, nacosDriver);
  if (server.grpc) describeNacosContract(server, grpcDriver);
}
