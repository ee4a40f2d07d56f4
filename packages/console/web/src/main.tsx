import '@mantine/core/styles.css';
import './styles.css';
import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/client.js';
import { LanguageProvider } from './language/index.js';
import { router } from './router.js';
import { cssVariables, theme } from './theme.js';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Do not retry what the console refused; retry outages, and again at the next interval.
      retry: (failures, error) => failures < 2 && !(error instanceof ApiError),
      refetchOnWindowFocus: true,
    },
  },
});
const colorScheme = localStorageColorSchemeManager({ key: 'lane-color-scheme' });
/** The nonce that the console puts into the page. */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

createRoot(document.getElementById('root') as HTMLElement).render(
  <MantineProvider
    theme={theme}
    cssVariablesResolver={cssVariables}
    colorSchemeManager={colorScheme}
    defaultColorScheme="auto"
    getStyleNonce={() => nonce}
  >
    <LanguageProvider>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </LanguageProvider>
  </MantineProvider>,
);
