/** The keys of this installation: made at the first start, kept in the database, the same on every node. */
import { createECDH, createPrivateKey, createPublicKey, createSecretKey, generateKeyPairSync, hash, type KeyObject, randomBytes } from 'node:crypto';
import type { Database } from '../storage/database.ts';

export type Keys = Awaited<ReturnType<typeof createKeys>>;

const makers = {
  'access-token-key': () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  'refresh-token-key': () => randomBytes(32).toString('base64url'),
  'digest-key': () => randomBytes(32).toString('base64url'),
  'web-push-key': () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey.export({ format: 'jwk' }).d as string,
  'file-url-key': () => randomBytes(32).toString('base64url'),
  'device-key': () => randomBytes(32).toString('base64url'),
};
type Name = keyof typeof makers;

export async function createKeys({ db }: { db: Database }) {
  const secrets = await readOrMake(db);
  const signing: KeyObject = createPrivateKey(secrets['access-token-key']);
  const digestOf = keyedDigest(Buffer.from(secrets['digest-key'], 'base64url'));
  return {
    /** Ed25519, for access tokens. */
    signing,
    verifying: createPublicKey(signing),
    /** P-256, for VAPID (RFC 8292), as browsers take it. */
    webPush: { publicKey: publicPoint(secrets['web-push-key']), privateKey: secrets['web-push-key'] },
    refresh: secretOf(secrets['refresh-token-key']),
    /** For signed links to files. */
    fileUrl: secretOf(secrets['file-url-key']),
    /** For tokens of known devices. */
    device: secretOf(secrets['device-key']),
    /** A keyed digest of 128 bits: equal texts have equal digests, and the digest tells nothing of a text that can be guessed. */
    digest: (text: string): string => digestOf(text).toString('base64url', 0, 16),
  };
}

const blockBytes = 64;
/**
 * HMAC with SHA-256 (RFC 2104), for keys of at most a block. Each send has one: two hashes in one call each take a sixth of what node's object for it does. What
 * comes is good until the next call.
 */
export function keyedDigest(key: Buffer): (text: string) => Buffer {
  const padded = (pad: number, more: number): Buffer =>
    Buffer.concat([
      Buffer.alloc(blockBytes)
        .fill(key, 0, key.length)
        .map((byte) => byte ^ pad),
      Buffer.alloc(more),
    ]);
  const [inner, outer] = [padded(0x36, 0), padded(0x5c, 32)];
  return (text) => {
    hash('sha256', Buffer.concat([inner, Buffer.from(text)]), 'buffer').copy(outer, blockBytes);
    return hash('sha256', outer, 'buffer');
  };
}

/** Made into a key once: node makes one of a Buffer for every digest, which takes three times as long as the digest. */
const secretOf = (text: string): KeyObject => createSecretKey(Buffer.from(text, 'base64url'));

async function readOrMake(db: Database): Promise<Record<Name, string>> {
  const names = Object.keys(makers) as Name[];
  const read = async (): Promise<Map<string, string>> =>
    new Map((await db.sql.all<{ name: string; value: string }>('SELECT "name", "value" FROM "Secret"', [])).map(({ name, value }) => [name, value]));
  let known = await read();
  const missing = names.filter((name) => !known.has(name));
  if (missing.length > 0) {
    // Nodes that start together all offer theirs; whoever is first wins, and everyone reads what was kept.
    await db.sqlTransaction(async (sql) => {
      for (const name of missing) await sql.all('INSERT INTO "Secret" ("name", "value") VALUES (?, ?) ON CONFLICT DO NOTHING', [name, makers[name]()]);
    });
    known = await read();
  }
  return Object.fromEntries(names.map((name) => [name, known.get(name) as string])) as Record<Name, string>;
}

/** The point of a private key, uncompressed. */
function publicPoint(privateKey: string): string {
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(Buffer.from(privateKey, 'base64url'));
  return curve.getPublicKey('base64url');
}
