/** A push service and the browsers behind it: takes Web Pushes as RFC 8030 says, and reads them with the keys that only the browser has (RFC 8291, RFC 8188). */
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importJWK, jwtVerify } from 'jose';
import type { Untyped } from './person.ts';

/** One request of the server: whom it was for, and what only that browser can read. */
export type Delivery = { browser: number; payload: Untyped; headers: IncomingHttpHeaders; contact: string };
export type PushService = Awaited<ReturnType<typeof startPushService>>;

/** What requests are answered with; 201 when nothing is said. `hang` never answers. */
type Answer = number | { status: number; headers: Record<string, string> } | 'hang' | 'switch protocols';

export async function startPushService(publicKey: () => string) {
  const browsers: { curve: ReturnType<typeof createECDH>; auth: Buffer }[] = [];
  const deliveries: Delivery[] = [];
  const problems: unknown[] = [];
  const answers: Answer[] = [];
  const own = new Map<number, Answer>();
  let always: Answer = 201;
  let asked = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      asked++;
      const answer = own.get(Number(request.url?.slice(1))) ?? answers.shift() ?? always;
      if (answer === 'hang') return;
      if (answer === 'switch protocols') return void request.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n');
      const { status, headers } = typeof answer === 'number' ? { status: answer, headers: {} } : answer;
      try {
        const browser = Number(request.url?.slice(1));
        const contact = await mustBeSigned(request.headers.authorization ?? '');
        const payload = JSON.parse(decrypt(browser, Buffer.concat(chunks)));
        if (status < 300) deliveries.push({ browser, payload, headers: request.headers, contact });
      } catch (error) {
        problems.push(error);
      }
      response.writeHead(status, headers).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    origin,
    /** What was taken. */
    deliveries,
    /** What could not be read or was not signed. */
    problems,
    get asked() {
      return asked;
    },
    /** The next answers, one each. */
    answerNext: (...next: Answer[]): void => void answers.push(...next),
    /** All answers to pushes for this browser. */
    answerFor: (browser: number, answer: Answer): void => void own.set(browser, answer),
    answerAlways: (answer: Answer): void => {
      always = answer;
    },
    /** A new browser's subscription. */
    subscribe() {
      const curve = createECDH('prime256v1');
      curve.generateKeys();
      const auth = randomBytes(16);
      const browser = browsers.push({ curve, auth }) - 1;
      return { browser, webPush: { endpoint: `${origin}/${browser}`, p256dh: curve.getPublicKey('base64url'), auth: auth.toString('base64url') } };
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  /** RFC 8292: signed with the key that the browser subscribed with, for this push service, for at most a day. */
  async function mustBeSigned(authorization: string): Promise<string> {
    const [, token = '', key = ''] = /^vapid t=([^,]+), k=(.+)$/.exec(authorization) ?? [];
    if (key !== publicKey()) throw new Error(`signed with ${key}`);
    const point = Buffer.from(key, 'base64url');
    const jwk = { kty: 'EC', crv: 'P-256', x: point.subarray(1, 33).toString('base64url'), y: point.subarray(33).toString('base64url') };
    const { payload } = await jwtVerify(token, await importJWK(jwk, 'ES256'), { audience: origin, maxTokenAge: undefined });
    if (!payload.exp || payload.exp > Date.now() / 1000 + 86_400) throw new Error('signed for too long');
    return String(payload.sub);
  }

  /** One record of `aes128gcm`, with a key agreed on by RFC 8291. */
  function decrypt(index: number, body: Buffer): string {
    const browser = browsers[index];
    if (!browser) throw new Error('for nobody');
    const salt = body.subarray(0, 16);
    const keyLength = body.readUInt8(20);
    const senderKey = body.subarray(21, 21 + keyLength);
    const sealed = body.subarray(21 + keyLength);
    const ownKey = browser.curve.getPublicKey();
    const shared = browser.curve.computeSecret(senderKey);
    const secret = hkdf(shared, browser.auth, Buffer.concat([Buffer.from('WebPush: info\0'), ownKey, senderKey]), 32);
    const key = hkdf(secret, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
    const nonce = hkdf(secret, salt, Buffer.from('Content-Encoding: nonce\0'), 12);
    const decipher = createDecipheriv('aes-128-gcm', key, nonce).setAuthTag(sealed.subarray(-16));
    const padded = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
    // The last record ends with 0x02 and any number of zeros.
    const end = padded.lastIndexOf(2);
    return padded.subarray(0, end).toString('utf8');
  }
}

const hkdf = (secret: Buffer, salt: Buffer, info: Buffer, length: number): Buffer => Buffer.from(hkdfSync('sha256', secret, salt, info, length));
