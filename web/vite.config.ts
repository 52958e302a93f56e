/** How the page is built: hashed names, compressed at once, and beside it the query that the server answers inside the page. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';
import { homeDocument } from './src/state/documents.ts';

const root = import.meta.dirname;
const out = join(root, 'dist');

/** What is needed before anything is shown comes in one piece, also what screens that come later share with it. */
const core = new Set<string>();

export default defineConfig({
  root,
  base: '/',
  clearScreen: false,
  logLevel: 'warn',
  // JSX is Vite's own compiler's.
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: out,
    emptyOutDir: true,
    target: 'es2024',
    assetsInlineLimit: 0,
    // Vite's helper for older browsers is a script more.
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      input: { index: join(root, 'index.html'), sw: join(root, 'worker/worker.ts') },
      // A worker is known by its address; another one is a new one.
      output: {
        entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js'),
        codeSplitting: { groups: [{ name: 'core', test: (id) => core.has(id) }] },
      },
    },
  },
  plugins: [findCore(), workerFiles(), home(), compressed()],
});

function findCore(): Plugin {
  return {
    name: 'find-core',
    buildEnd() {
      const look = (id: string): void => {
        if (core.has(id) || id.endsWith('.css')) return;
        core.add(id);
        for (const next of this.getModuleInfo(id)?.importedIds ?? []) look(next);
      };
      look(join(root, 'src/main.tsx'));
    },
  };
}

/** The service worker knows the names of all files. */
function workerFiles(): Plugin {
  return {
    name: 'worker-files',
    writeBundle() {
      const files = readdirSync(join(out, 'assets')).map((name) => `/assets/${name}`);
      const worker = join(out, 'sw.js');
      writeFileSync(worker, `const FILES=${JSON.stringify(files.sort())};${readFileSync(worker, 'utf8')}`);
    },
  };
}

/** For src/transport/page.ts, which knows nothing of the page but its files. */
function home(): Plugin {
  return {
    name: 'home-query',
    writeBundle() {
      mkdirSync(out, { recursive: true });
      writeFileSync(join(out, 'home.graphql'), homeDocument);
    },
  };
}

function compressed(): Plugin {
  return {
    name: 'compressed',
    enforce: 'post',
    writeBundle() {
      for (const name of readdirSync(out, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(js|css|svg|webmanifest)$/.test(name)) continue;
        const bytes = readFileSync(join(out, name));
        writeFileSync(join(out, `${name}.gz`), gzipSync(bytes, { level: 9 }));
        writeFileSync(join(out, `${name}.br`), brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
    },
  };
}
