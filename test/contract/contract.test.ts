import { nacos3, nacosServers, tellLeftOutServers } from '../servers/index.js';
import { describeNacosAcrossSdks } from './across-sdks.js';
import { grpcDriver } from './grpc-driver.js';
import { ownGrpcDriver } from './own-grpc-driver.js';
import { nacosDriver } from './nacos-driver.js';
import { describeNacosContract } from './suite.js';
import { describeNacosWire } from './wire.js';

tellLeftOutServers();

for (const server of nacosServers()) {
  describeNacosWire(server);
  describeNacosContract(server, nacosDriver);
  if (server.grpc) {
    describeNacosContract(server, grpcDriver);
    describeNacosContract(server, ownGrpcDriver);
    describeNacosAcrossSdks(server, nacosDriver, grpcDriver);
    describeNacosAcrossSdks(server, grpcDriver, nacosDriver);
    describeNacosAcrossSdks(server, ownGrpcDriver, nacosDriver);
    describeNacosAcrossSdks(server, nacosDriver, ownGrpcDriver);
  }
}

const newest = nacos3();
if (newest !== undefined) describeNacosContract(newest, ownGrpcDriver);
