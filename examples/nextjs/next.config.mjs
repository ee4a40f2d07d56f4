/** @type {import('next').NextConfig} */
export default {
  // Lane's agent patches modules as they are loaded; it cannot reach bundled ones.
  serverExternalPackages: ['nacos'],
};
