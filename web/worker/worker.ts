/**
 * The service worker: keeps the shell and its files, so that the page opens without a server, and shows pushes, whose click opens the message. What people
 * read and write is never in its cache: that is the page's own affair (web/src/keep.ts).
 */
declare const self: ServiceWorkerGlobalScope;
/** The build puts the names of all files here; another list is another worker. */
declare const FILES: readonly string[];

const name = `tertulia ${hash(FILES.join())}`;
const shell = '/';
/** Addresses of the API, which are the server's alone. */
const ofApi = /^\/(graphql|files|sign-in|health|ready|metrics)(\/|$)/;

type Push = { chatId?: string; messageId?: string; notificationId?: string; summary?: string };

self.addEventListener('install', (event) => event.waitUntil(fill().then(() => self.skipWaiting())));
self.addEventListener('activate', (event) => event.waitUntil(clear().then(() => self.clients.claim())));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== self.location.origin || ofApi.test(pathname)) return;
  if (request.mode === 'navigate') event.respondWith(answerShell(event));
  else if (pathname.startsWith('/assets/')) event.respondWith(answerFile(request));
});
self.addEventListener('push', (event) => event.waitUntil(show(event.data)));
self.addEventListener('notificationclick', (event) => event.waitUntil(open(event.notification)));

async function fill(): Promise<void> {
  const cache = await caches.open(name);
  await Promise.all([cache.addAll(FILES), refresh()]);
}

/** The files of the version before stay: a tab that is open may still ask for one. */
async function clear(): Promise<void> {
  const ours = (await caches.keys()).filter((each) => each.startsWith('tertulia ') && each !== name);
  await Promise.all(ours.slice(0, -1).map((each) => caches.delete(each)));
}

/** At once from the cache, and anew for the next time. */
async function answerShell(event: FetchEvent): Promise<Response> {
  const kept = await (await caches.open(name)).match(shell);
  if (!kept) return fetch(event.request);
  event.waitUntil(refresh().catch(() => {}));
  return kept;
}

/** Without cookies, so without anybody's data. A server that has no page any more gets rid of this one, too. */
async function refresh(): Promise<void> {
  const response = await fetch(shell, { credentials: 'omit', cache: 'no-cache', headers: { accept: 'text/html' } });
  if (!response.ok) return;
  if (!(await response.clone().text()).includes('id="app"')) return void (await self.registration.unregister());
  await (await caches.open(name)).put(shell, response);
}

async function answerFile(request: Request): Promise<Response> {
  return (await caches.match(request)) ?? fetch(request);
}

async function show(data: PushMessageData | null): Promise<void> {
  const push = (data?.json() ?? {}) as Push;
  await self.registration.showNotification('Tertulia', { body: push.summary ?? '', tag: push.notificationId ?? '', icon: '/icon.svg', data: push });
}

/** In a tab that is there, otherwise in a new one. */
async function open(notification: Notification): Promise<void> {
  notification.close();
  const { chatId, messageId } = notification.data as Push;
  const address = chatId ? `/chat/${encodeURIComponent(chatId)}${messageId ? `/${encodeURIComponent(messageId)}` : ''}` : '/';
  const [tab] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (!tab) return void (await self.clients.openWindow(address));
  tab.postMessage({ go: address });
  await tab.focus().catch(() => {});
}

function hash(text: string): string {
  let sum = 7;
  for (let at = 0; at < text.length; at++) sum = (Math.imul(sum, 31) + text.charCodeAt(at)) | 0;
  return String(sum);
}
