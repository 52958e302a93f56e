/** Digests that are stored are HMACs of any implementation: a later one finds again what this one stored. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keyedDigest } from '../src/sessions/keys.ts';

it('a keyed digest is HMAC with SHA-256, whatever the key and the text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 4 }), (key, texts) => {
      const digest = keyedDigest(Buffer.from(key));
      for (const text of texts) expect(digest(text)).toEqual(createHmac('sha256', key).update(text).digest());
    }),
  );
});
