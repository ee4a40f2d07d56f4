/** `/cs/history`: the changes of documents. */
import { NacosApiError } from '../api-error.js';
import type { HistoryItem } from '../config-store.js';
import type { Call, Resources } from './call.js';
import { configOf, pageOf } from './parameters.js';

/** `GET /cs/history`: the changes of a document, paged, latest first; with `nid`, one change in full. */
export function getHistory({ parameters }: Call, { configs }: Resources): unknown {
  const nid = parameters.get('nid');
  if (nid !== null) {
    const item = configs.historyItem(nid);
    if (item === undefined) throw new NacosApiError(404, `no history of id ${nid}`);
    return historyOf(item, true);
  }
  const items = configs.history(configOf(parameters)).map((item) => historyOf(item, false));
  return pageOf(items, parameters);
}

function historyOf(item: HistoryItem, whole: boolean): unknown {
  const { nid, key, content, md5, appName, opType, srcIp, srcUser, at } = item;
  return {
    id: nid,
    lastId: -1,
    dataId: key.dataId,
    group: key.group,
    tenant: key.tenant,
    appName,
    md5: whole ? md5 : null,
    content: whole ? content : null,
    srcIp,
    srcUser,
    opType,
    createdTime: at.toISOString(),
    lastModifiedTime: at.toISOString(),
  };
}
