import { Module } from '@nestjs/common';
import { CommodityController } from './commodity.controller';
import { InventoryService } from './inventory.service';
import { RegistryService } from './registry.service';

@Module({ controllers: [CommodityController], providers: [InventoryService, RegistryService] })
export class ShopModule {}
