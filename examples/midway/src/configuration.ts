import type { AddressInfo, Server } from 'node:net';
import { Configuration, type ILifeCycle, type IMidwayContainer } from '@midwayjs/core';
import * as koa from '@midwayjs/koa';
import { NacosNamingClient } from 'nacos';

const SERVICE = 'spring-cloud-b';

/** Configures koa, and registers in Nacos. */
@Configuration({
  imports: [koa],
  importConfigs: [
    {
      default: {
        keys: 'shop',
        koa: { port: Number(process.env.PORT ?? 7001), hostname: '127.0.0.1' },
        midwayLogger: { default: { transports: { file: false, error: false } } },
      },
    },
  ],
})
export class ShopConfiguration implements ILifeCycle {
  private readonly client = new NacosNamingClient({
    logger: { ...console, debug() {}, info() {}, log() {} } as Console,
    serverList: process.env.NACOS_SERVER ?? '127.0.0.1:8848',
    namespace: 'public',
  });
  private instance: { ip: string; port: number } | undefined;

  async onServerReady(container: IMidwayContainer): Promise<void> {
    const server: Server = (await container.getAsync(koa.Framework)).getServer();
    if (server.listening) await this.register(server);
    else server.once('listening', () => void this.register(server));
  }

  private async register(server: Server): Promise<void> {
    const { port } = server.address() as AddressInfo;
    this.instance = { ip: '127.0.0.1', port };
    await this.client.ready();
    await this.client.registerInstance(SERVICE, this.instance as never);
    console.log(`${SERVICE} registered as 127.0.0.1:${port}`);
  }

  async onStop(): Promise<void> {
    if (this.instance !== undefined) await this.client.deregisterInstance(SERVICE, this.instance as never).catch(() => {});
  }
}
