/** @type {import('next').NextConfig} */
export default {
  // Lane's agent patches it as it is loaded; bundled, it would be out of reach.
  serverExternalPackages: ['nacos'],
};
