// Runs before the first paint, so that dark mode does not flash white. A separate file, because the policy forbids inline scripts.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('lane-color-scheme') ?? 'auto';
  } catch {
    // The browser has no storage.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
