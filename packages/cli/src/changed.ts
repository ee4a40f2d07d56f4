/** Reports changes of the lane groups. */
import { takingRules, tellTaking } from '@lane/core/rules';
import type { ChangeResult } from '@lane/storage';
import { printJson } from './output.js';

/** Reports a change as a sentence, or as JSON. */
export function tellChange(result: ChangeResult, done: string, json: boolean | undefined): void {
  const { isChanged, conflicts, md5, protection } = result;
  const warnings = takingRules(result.document).map(tellTaking);
  if (json === true) {
    printJson({ ok: true, changed: isChanged, md5, conflicts, protection, warnings });
    return;
  }
  for (const warning of warnings) console.error(`warning: ${warning}`);
  console.log(isChanged ? done : 'nothing to change');
  if (conflicts > 0) console.log('somebody else changed the lane groups at the same time; both changes are in force');
  if (protection === 'read-back' && isChanged) {
    console.error(
      'warning: this server keeps no history and does not compare before it writes, so your change may have overwritten another one: check the lane groups in force',
    );
  }
}
