// How the page is built: into the Python package, the same bytes from the same sources.
import { defineConfig } from "vite";

export default defineConfig({
  base: "/",
  build: {
    outDir: process.env.KINSIGHT_PAGE ?? "../src/kinsight/explorer/page",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false, // its polyfill would be an inline script, which the policy refuses
    chunkSizeWarningLimit: 1000,
    assetsInlineLimit: 0,
    license: { fileName: "licenses.md" }, // of the packages inside
  },
  server: { proxy: { "/api": "http://127.0.0.1:8765" } }, // `npx vite` beside a running explorer
});
