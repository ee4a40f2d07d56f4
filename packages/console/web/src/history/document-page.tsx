import { Button, Group, JsonInput, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { groupsQuery, useRefresh, useUser, type GroupsAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { ConflictDialog } from '../parts/conflict-dialog.js';
import { Failure } from '../parts/failure.js';
import { useLeaveGuard } from '../parts/leave-guard.js';
import { PageHead } from '../parts/page-head.js';
import { ProblemSummary } from '../parts/problems.js';
import { sayDone } from '../parts/say.js';
import { useDraft } from '../parts/use-draft.js';

/** The whole document as JSON, to edit what the forms can't express, and to repair an invalid document. */
export function DocumentPage() {
  const t = useText();
  const { data, error, refetch } = useQuery(groupsQuery);
  const [start, setStart] = useState<GroupsAnswer>();
  if (start === undefined && data !== undefined) setStart(data);
  const shown = start ?? data;
  return (
    <>
      <PageHead title={t.document.title} lead={t.document.lead} />
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {shown !== undefined && <DocumentForm key={shown.md5} start={shown} onPublished={async () => setStart((await refetch()).data)} />}
    </>
  );
}

const EMPTY = '{\n  "version": 1,\n  "groups": []\n}\n';

function DocumentForm({ start, onPublished }: { readonly start: GroupsAnswer; onPublished(): Promise<void> }) {
  const t = useText();
  const isEditor = useUser()?.isEditor === true;
  const refresh = useRefresh();
  const first = start.md5 === '' ? EMPTY : start.text;
  const [text, setText] = useState(first);
  const form = useDraft(isEditor ? { path: '/document', etag: start.md5 === '' ? 'none' : `"${start.md5}"` } : undefined, { text });
  const guard = useLeaveGuard(text !== first);
  const publish = async (etag?: string): Promise<void> => {
    if (!(await form.publish(etag))) return;
    guard.release();
    sayDone(t.saved);
    await refresh();
    await onPublished();
  };
  const current = (form.conflict?.current as { readonly text?: string } | undefined)?.text;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void publish();
      }}
    >
      <ProblemSummary title={t.document.problems} problems={form.problems} links={false} />
      {form.failure !== undefined && <Failure error={form.failure} />}
      <div className="card json-input" style={{ padding: '1.25rem' }}>
        <JsonInput
          label={t.document.text}
          value={text}
          onChange={setText}
          readOnly={!isEditor}
          autosize
          minRows={18}
          maxRows={40}
          spellCheck={false}
          {...(isEditor ? {} : { description: t.document.readOnly })}
        />
      </div>
      {isEditor ? (
        <Group justify="flex-end" mt="lg">
          <Button type="submit" loading={form.isBusy} disabled={text === first || form.problems.length > 0}>
            {t.document.publish}
          </Button>
        </Group>
      ) : (
        <Text c="dimmed" mt="md">
          {t.viewerOnly}
        </Text>
      )}
      {guard.dialog}
      <ConflictDialog
        conflict={form.conflict}
        mine={text}
        theirs={current ?? ''}
        isBusy={form.isBusy}
        onOverwrite={() => void publish(form.conflict?.etag ?? 'none')}
        onTake={() => {
          setText(current ?? EMPTY);
          form.dismissConflict();
          void onPublished();
        }}
        onKeep={form.dismissConflict}
      />
    </form>
  );
}
