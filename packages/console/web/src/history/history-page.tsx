import { Button, Group, Stack, Text, Title } from '@mantine/core';
import { IconRestore } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, pathOf } from '../api/client.js';
import { auditQuery, historyQuery, useRefresh, useUser, versionQuery, type AuditAnswer, type HistoryAnswer } from '../api/queries.js';
import { useText } from '../language/index.js';
import { Confirm } from '../parts/confirm.js';
import { DiffView } from '../parts/diff-view.js';
import { Failure, messageOf } from '../parts/failure.js';
import { PageHead } from '../parts/page-head.js';
import { sayDone, sayFailed } from '../parts/say.js';

/** All changes: what each changed, who made it, and rollback. */
export function HistoryPage() {
  const t = useText();
  const history = useQuery(historyQuery);
  const audit = useQuery(auditQuery);
  const [chosen, setChosen] = useState<string>();
  const versions = history.data?.versions ?? [];
  const shown = chosen ?? versions[0]?.version;
  const version = versions.find((one) => one.version === shown);
  return (
    <>
      <PageHead title={t.history.title} lead={t.history.lead} />
      {history.error !== null && <Failure error={history.error} retry={() => void history.refetch()} />}
      {history.data === undefined && history.error === null && <Text>{t.loading}</Text>}
      {history.data !== undefined && versions.length === 0 && <Text>{t.history.none}</Text>}
      {versions.length > 0 && (
        <div className="history">
          <section className="card" aria-labelledby="versions">
            <Title order={2} id="versions" p="1rem 1.1rem 0.6rem">
              {t.history.versions}
            </Title>
            <ol style={{ listStyle: 'none', margin: 0, padding: '0 0.6rem 0.6rem', maxHeight: 560, overflowY: 'auto' }}>
              {versions.map((one) => (
                <li key={one.version}>
                  <button type="button" className="version" aria-pressed={one.version === shown} onClick={() => setChosen(one.version)}>
                    <VersionLine version={one} />
                  </button>
                </li>
              ))}
            </ol>
          </section>
          {version !== undefined && <Change key={version.version} version={version} />}
        </div>
      )}
      {audit.data !== undefined && audit.data.entries.length > 0 && <Log entries={audit.data.entries} />}
    </>
  );
}

type Version = HistoryAnswer['versions'][number];

function VersionLine({ version }: { readonly version: Version }) {
  const t = useText();
  return (
    <>
      <span style={{ display: 'flex', justifyContent: 'space-between', gap: 8, flexWrap: 'wrap' }}>
        <time dateTime={version.at} style={{ fontWeight: 600 }}>
          {new Date(version.at).toLocaleString(t.locale, { dateStyle: 'medium', timeStyle: 'medium' })}
        </time>
        {version.isCurrent && <span style={{ color: 'var(--ok)', fontWeight: 650, fontSize: '0.85rem' }}>{t.history.current}</span>}
      </span>
      <span style={{ display: 'block', color: 'var(--mantine-color-dimmed)', fontSize: '0.88rem' }} className="break">
        {version.action === undefined
          ? `${t.history.operations[version.operation] ?? version.operation}, ${t.history.elsewhere}`
          : `${t.history.actions[version.action] ?? version.action} ${version.target ?? ''} ${version.who === undefined ? '' : t.history.by(version.who)}`}
      </span>
    </>
  );
}

function Change({ version }: { readonly version: Version }) {
  const t = useText();
  const isEditor = useUser()?.isEditor === true;
  const refresh = useRefresh();
  const { data, error } = useQuery(versionQuery(version.version));
  const [isAsked, setAsked] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const goBack = async (): Promise<void> => {
    setBusy(true);
    try {
      await api(`/history${pathOf(version.version)}/rollback`, { method: 'POST' });
      sayDone(t.history.rolledBack);
    } catch (problem) {
      sayFailed(t.failed, messageOf(problem, t));
    }
    await refresh();
    setBusy(false);
    setAsked(false);
  };
  return (
    <section className="card" style={{ padding: '1rem 1.1rem', minWidth: 0 }} aria-labelledby="diff">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="diff">
          {t.history.diff}
        </Title>
        {isEditor && !version.isCurrent && (
          <Button variant="default" size="sm" leftSection={<IconRestore size={17} aria-hidden />} onClick={() => setAsked(true)}>
            {t.history.rollback}
          </Button>
        )}
      </Group>
      {error !== null && <Failure error={error} />}
      {data !== undefined && <DiffView before={data.before} after={data.text} label={t.history.diff} />}
      <Confirm
        opened={isAsked}
        question={t.history.rollbackQuestion}
        lead={t.history.rollbackLead}
        action={t.history.rollback}
        busy={isBusy}
        onClose={() => setAsked(false)}
        onConfirm={() => void goBack()}
      />
    </section>
  );
}

function Log({ entries }: { readonly entries: AuditAnswer['entries'] }) {
  const t = useText();
  return (
    <section className="card" aria-labelledby="log" style={{ marginTop: '1.5rem' }}>
      <Stack gap={0} p="1rem 1.1rem 0.6rem">
        <Title order={2} id="log">
          {t.history.log}
        </Title>
        <Text size="sm" c="dimmed">
          {t.history.logLead}
        </Text>
      </Stack>
      <div className="scroll" tabIndex={0} role="region" aria-labelledby="log" style={{ maxHeight: 420, overflowY: 'auto' }}>
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t.history.when}</th>
              <th scope="col">{t.history.who}</th>
              <th scope="col">{t.history.what}</th>
              <th scope="col">{t.history.fromWhere}</th>
            </tr>
          </thead>
          <tbody>
            {entries.map((entry, i) => (
              <tr key={`${entry.at} ${i}`}>
                <td style={{ whiteSpace: 'nowrap' }}>
                  <time dateTime={entry.at}>{new Date(entry.at).toLocaleString(t.locale, { dateStyle: 'short', timeStyle: 'medium' })}</time>
                </td>
                <th scope="row">{entry.who}</th>
                <td className="break">
                  {t.history.actions[entry.action] ?? entry.action} {entry.target ?? ''}
                </td>
                <td className="mono">{entry.from}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
