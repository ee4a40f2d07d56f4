import { Injectable } from '@nestjs/common';

/** Calls C, the inventory center, by its service name. */
@Injectable()
export class InventoryService {
  async ask(): Promise<string> {
    const response = await fetch('http://spring-cloud-c/c');
    return response.text();
  }
}
