// Before anything is painted, so that nobody who chose dark is met by a flash of white. A file of its own: the policy permits no inline script.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('lane-color-scheme') ?? 'auto';
  } catch {
    // A browser that keeps nothing.
  }
  const dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
