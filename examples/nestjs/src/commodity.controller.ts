import { Controller, Get } from '@nestjs/common';
import { InventoryService } from './inventory.service';
import { RegistryService } from './registry.service';

/** B, the commodity center. */
@Controller()
export class CommodityController {
  constructor(
    private readonly inventory: InventoryService,
    private readonly registry: RegistryService,
  ) {}

  @Get('b')
  async answer(): Promise<string> {
    return `${process.env.NAME ?? 'B'}[${this.registry.self}] -> ${await this.inventory.ask()}`;
  }
}
