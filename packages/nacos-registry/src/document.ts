import type { ConfigDocument } from '@lane/core/model';
import { NacosError } from './nacos-error.js';

/**
 * A document of that content. We compute its MD5, because a Nacos that reads from its database (Derby) sends the MD5 of its
 * cache, which lags behind: we could miss a change for good (a document that is changed and changed back).
 */
export function documentOf(content: string): ConfigDocument {
  // Not at the top: many processes never read a document.
  const { createHash } = require('node:crypto') as typeof import('node:crypto');
  return { content, md5: createHash('md5').update(content).digest('hex') };
}

/** The error for a document that has changed since it was read. */
export function conflict(dataId: string, group: string): NacosError {
  return new NacosError(
    'ELANE_CONFLICT',
    `the document ${dataId} of group ${group} has changed since it was read: read it again, and apply the change to the new content`,
  );
}
