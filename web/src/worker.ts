/** The service worker from the page's side: it is registered once there is something to show, and says where a click on a notification leads. */
import { ask } from './ask.ts';
import type { PushDeviceMutation, PushDeviceMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import { go } from './route.ts';
import { server } from './store.ts';

const pushDocument = operation<PushDeviceMutation, PushDeviceMutationVariables>(/* GraphQL */ `
  mutation PushDevice($webPush: WebPushInput!) { registerPushDevice(input: { webPush: $webPush }) { __typename ... on RegisterPushDevicePayload { device { id } } ...Failure } }
`);

/** The one script address that the page's policy lets through. */
type Policy = { createScriptURL(address: string): string };
const policy: Policy = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes?.createPolicy('tertulia', {
  createScriptURL(address) {
    if (address !== '/sw.js') throw new TypeError('The page runs no other script.');
    return address;
  },
}) ?? { createScriptURL: (address) => address };

export async function startWorker(): Promise<void> {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<{ go?: string }>) => data.go && go(data.go));
  await navigator.serviceWorker.register(policy.createScriptURL('/sw.js')).catch(() => {});
}

export type PushState = 'on' | 'off' | 'denied' | 'impossible';

/** Whether messages reach this browser when the page is closed. */
export async function pushState(): Promise<PushState> {
  if (!navigator.serviceWorker || !('PushManager' in globalThis) || !server.value?.webPushPublicKey) return 'impossible';
  if (Notification.permission === 'denied') return 'denied';
  const subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
  return subscription && Notification.permission === 'granted' ? 'on' : 'off';
}

/** Only when somebody asks for it. */
export async function turnPushOn(): Promise<PushState> {
  const key = server.value?.webPushPublicKey;
  if (!key || (await pushState()) === 'impossible') return 'impossible';
  if ((await Notification.requestPermission()) !== 'granted') return 'denied';
  const { pushManager } = await navigator.serviceWorker.ready;
  await tell(await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytesOf(key) }));
  return 'on';
}

export async function turnPushOff(): Promise<void> {
  const subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
  await subscription?.unsubscribe();
}

/** Browsers change their subscriptions: told at every start. */
export async function renewPush(): Promise<void> {
  if ((await pushState()) !== 'on') return;
  const subscription = await (await navigator.serviceWorker.ready).pushManager.getSubscription();
  if (subscription) await tell(subscription).catch(() => {});
}

async function tell(subscription: PushSubscription): Promise<void> {
  const { endpoint = '', keys = {} } = subscription.toJSON();
  await ask(pushDocument, { webPush: { endpoint, p256dh: keys.p256dh ?? '', auth: keys.auth ?? '' } });
}

function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
