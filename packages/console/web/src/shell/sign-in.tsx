import { Alert, Button, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, ApiError } from '../api/client.js';
import { useText } from '../language/index.js';

/** Asks for the token, and exchanges it for a session cookie that scripts can't read. The token is not stored. */
export function SignIn() {
  const t = useText();
  const client = useQueryClient();
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = `${t.signIn.title} · ${t.appName}`;
  }, [t]);

  const signIn = async (): Promise<void> => {
    setBusy(true);
    try {
      await api('/session', { method: 'POST', body: { token } });
      await client.resetQueries();
    } catch (error) {
      const { code, message } = error as ApiError;
      setProblem(
        code === 'ELANE_UNAUTHENTICATED' ? t.signIn.wrong : error instanceof ApiError && error.status === 0 ? t.unreachable : t.problem(message),
      );
    } finally {
      setBusy(false);
    }
  };

  return (
    <main style={{ minHeight: '100dvh', display: 'grid', placeItems: 'center', padding: '1.5rem' }}>
      <Paper className="card" p="xl" w="100%" maw={420} shadow="md">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void signIn();
          }}
        >
          <Stack>
            <img src="/icon.svg" width={44} height={44} alt="" />
            <Title order={1}>{t.signIn.title}</Title>
            <Text c="dimmed">{t.signIn.lead}</Text>
            <PasswordInput
              label={t.signIn.token}
              value={token}
              onChange={(event) => setToken(event.currentTarget.value)}
              required
              autoComplete="current-password"
              visibilityToggleButtonProps={{ 'aria-label': t.signIn.show }}
            />
            {problem !== undefined && (
              <Alert color="red" role="alert" variant="outline" styles={{ message: { color: 'var(--mantine-color-error)' } }}>
                {problem}
              </Alert>
            )}
            <Button type="submit" loading={isBusy} disabled={token === ''}>
              {t.signIn.action}
            </Button>
          </Stack>
        </form>
      </Paper>
    </main>
  );
}
