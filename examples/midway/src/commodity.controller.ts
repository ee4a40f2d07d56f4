import { Controller, Get, Inject } from '@midwayjs/core';
import type { Context } from '@midwayjs/koa';

/** B, the commodity center: calls C by its service name. */
@Controller('/')
export class CommodityController {
  @Inject()
  ctx!: Context;

  @Get('/b')
  async answer(): Promise<string> {
    const response = await fetch('http://spring-cloud-c/c');
    const self = `127.0.0.1:${this.ctx.req.socket.localPort}`;
    return `${process.env.NAME ?? 'B'}[${self}] -> ${await response.text()}`;
  }
}
