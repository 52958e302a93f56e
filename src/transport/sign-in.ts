/**
 * Signing in by a provider's page, and being told by it that somebody has signed out. A cookie holds what only the browser that began may bring back: without it
 * anybody's answer could be slipped in.
 */
import type { App } from '../app.ts';
import { AppError, createProblems } from '../errors.ts';
import type { Begun } from '../identities/code-flow.ts';
import { parseDevice } from '../sessions/sign-in.ts';
import { type Call, Refusal, send, sendJson } from './answer.ts';
import { readForm } from './body.ts';
import type { Cookies } from './cookies.ts';

/** What is kept in the browser while somebody is at the provider. */
type Trip = Begun & { name: string; to: string; deviceId: string | null; deviceName: string | null };

const mostFormBytes = 32_768;
const tripSeconds = 15 * 60;

export function createSignInRoutes({ app, cookies, hasPage }: { app: App; cookies: Cookies; hasPage: boolean }) {
  const { codeFlow, identities, limits } = app;
  return { handle };

  /** False when the address is none of these. */
  async function handle(call: Call): Promise<boolean> {
    const { request, path } = call;
    if (path === '/backchannel-logout') {
      if (request.method !== 'POST') throw new Refusal(405, 'Only POST works here.', { headers: { allow: 'POST' } });
      await takeLogout(call);
      return true;
    }
    const [, name, back] = /^\/sign-in\/([a-z0-9._-]{1,64})(\/callback)?$/.exec(path) ?? [];
    if (name === undefined) return false;
    if (request.method !== 'GET') throw new Refusal(405, 'Only GET works here.', { headers: { allow: 'GET' } });
    request.resume();
    await limits.take('REQUESTS', { address: call.client.ipAddress });
    await (back ? comeBack(call, name) : goThere(call, name));
    return true;
  }

  async function goThere(call: Call, name: string): Promise<void> {
    const given = new URLSearchParams(call.search);
    let there: Awaited<ReturnType<typeof codeFlow.begin>>;
    try {
      there = await codeFlow.begin(name, callbackOf(call, name));
    } catch (error) {
      return tell(call, error);
    }
    if (!there) throw new Refusal(404, 'There is nothing at this address.', { code: 'NOT_FOUND' });
    const trip: Trip = { ...there.begun, name, to: placeOf(given.get('to')), deviceId: shortened(given.get('device')), deviceName: shortened(given.get('deviceName')) };
    call.response.setHeader('set-cookie', cookies.trip(Buffer.from(JSON.stringify(trip)).toString('base64url'), tripSeconds));
    redirect(call, there.url);
  }

  async function comeBack(call: Call, name: string): Promise<void> {
    const { request, response, client } = call;
    const trip = parseTrip(cookies.readTrip(request));
    // It works once.
    const over = cookies.trip('', 0);
    response.setHeader('set-cookie', over);
    if (!trip || trip.name !== name) return redirect(call, hasPage ? '/?sign-in=again' : '/');
    try {
      const device = parseDevice(createProblems(), { id: trip.deviceId, name: trip.deviceName, kind: 'WEB' });
      const jar = cookies.jar(request, response, cookies.read(request));
      const answer = new URL(`${callbackOf(call, name)}?${call.search}`);
      const issued = await codeFlow.finish(name, answer, trip, device, { ...client, deviceToken: jar.deviceToken });
      jar.set(issued);
      response.appendHeader('set-cookie', over);
      redirect(call, `${trip.to}${trip.to.includes('?') ? '&' : '?'}signed-in`);
    } catch (error) {
      tell(call, error);
    }
  }

  /** To the page, which has the words for it. */
  function tell(call: Call, error: unknown): void {
    if (!hasPage || !(error instanceof AppError)) throw error;
    const why = { UNAVAILABLE: 'unavailable', INVALID_CREDENTIALS: 'nobody', RATE_LIMITED: 'unavailable' }[error.code as string] ?? 'refused';
    redirect(call, `/?sign-in=${why}`);
  }

  function callbackOf({ client }: Call, name: string): string {
    return `${client.baseUrl}/sign-in/${name}/callback`;
  }

  /** OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8. */
  async function takeLogout(call: Call): Promise<void> {
    const token = (await readForm(call.request, mostFormBytes)).get('logout_token') ?? '';
    try {
      await identities.logOut(token, call.client);
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'INVALID_TOKEN') throw error;
      return sendJson(call, 400, { error: 'invalid_request', error_description: error.message });
    }
    send(call, 200, { 'cache-control': 'no-store' }, '');
  }

  function redirect(call: Call, location: string): void {
    send(call, 303, { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }, '');
  }
}

/** A place of this server's page: never another site's. */
const placeOf = (to: string | null): string => (to !== null && to.length <= 300 && /^\/(?![/\\])[\w\-./~%?&=+]*$/.test(to) ? to : '/');

const shortened = (text: string | null): string | null => text?.slice(0, 128) || null;

function parseTrip(text: string | null): Trip | null {
  try {
    const trip = JSON.parse(Buffer.from(text ?? '', 'base64url').toString()) as Record<string, unknown>;
    const whole = ['state', 'nonce', 'verifier', 'name', 'to'].every((name) => typeof trip[name] === 'string');
    return whole ? { ...(trip as unknown as Trip), to: placeOf(trip.to as string) } : null;
  } catch {
    return null;
  }
}
