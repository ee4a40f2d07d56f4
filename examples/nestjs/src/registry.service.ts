import type { AddressInfo } from 'node:net';
import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { NacosNamingClient } from 'nacos';

const SERVICE = 'spring-cloud-b';

/** Registers this instance in Nacos once it listens, and deregisters it at shutdown. */
@Injectable()
export class RegistryService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  self = '';
  private readonly client = new NacosNamingClient({
    logger: { ...console, debug() {}, info() {}, log() {} } as Console,
    serverList: process.env.NACOS_SERVER ?? '127.0.0.1:8848',
    namespace: 'public',
  });
  private instance: { ip: string; port: number } | undefined;

  constructor(private readonly host: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    // Nest listens after this.
    this.host.httpAdapter.getHttpServer().once('listening', () => void this.register());
  }

  private async register(): Promise<void> {
    const { port } = this.host.httpAdapter.getHttpServer().address() as AddressInfo;
    this.instance = { ip: '127.0.0.1', port };
    this.self = `127.0.0.1:${port}`;
    await this.client.ready();
    await this.client.registerInstance(SERVICE, this.instance as never);
    console.log(`${SERVICE} registered as ${this.self}`);
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.instance !== undefined) await this.client.deregisterInstance(SERVICE, this.instance as never).catch(() => {});
    setImmediate(() => process.exit(0));
  }
}
