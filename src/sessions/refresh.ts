/** Refresh tokens: exchanging one for new tokens, and telling what a token is worth. */
import type { Accounts } from '../accounts/accounts.ts';
import { foldName } from '../accounts/names.ts';
import type { RateLimits } from '../accounts/rate-limits.ts';
import type { Config } from '../config.ts';
import { AppError, type TokenFailure } from '../errors.ts';
import type { WriteBatch } from '../events/write.ts';
import type { SessionId } from '../ids.ts';
import type { Database } from '../storage/database.ts';
import { type SessionRow, toSessionRow, type UserRow } from '../storage/rows.ts';
import type { Sql } from '../storage/sql.ts';
import { type Issued, type Issuing, type SignInClient, seenNow } from './issue.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { RefreshToken, Tokens } from './tokens.ts';

export type Refreshing = ReturnType<typeof createRefreshing>;
export type TokenInfo = { active: boolean; username: string | null; issuedAt: Date | null; expiresAt: Date | null; failure: TokenFailure | null };

export function createRefreshing({
  db,
  writeBatch,
  accounts,
  tokens,
  issuing: { issue, expiryOf },
  liveSessions,
  limits,
  config,
  clock,
}: {
  db: Database;
  writeBatch: WriteBatch;
  accounts: Pick<Accounts, 'find'>;
  tokens: Pick<Tokens, 'parseRefresh' | 'parseAccess' | 'successorOf' | 'digestOf' | 'toRefreshToken'>;
  issuing: Issuing;
  liveSessions: Pick<LiveSessions, 'forget'>;
  limits: RateLimits;
  config: Pick<Config, 'REFRESH_GRACE_SECONDS'>;
  clock: () => Date;
}) {
  return { refresh, tokenInfo };

  /**
   * Exchanges a refresh token for new tokens. The old one is used up. Repeated with the same token within the grace, it gives the same refresh token again, so that
   * neither a lost answer nor two tabs at once do any harm. An older token shows that somebody has a copy, and ends the session (RFC 9700, 4.14.2).
   * Fails with INVALID_TOKEN, RATE_LIMITED or UNAVAILABLE.
   */
  async function refresh(refreshToken: string | null, client: SignInClient): Promise<Issued> {
    await limits.take('REQUESTS', { address: client.ipAddress });
    const token = tokens.parseRefresh(refreshToken ?? '');
    if (typeof token === 'string') throw invalidToken(token);
    const next: RefreshToken = { sessionId: token.sessionId, generation: token.generation + 1, secret: tokens.successorOf(token.secret) };
    const outcome = await writeBatch<{ failure: TokenFailure } | { session: SessionRow }>(async (sql, number) => {
      for (;;) {
        const now = clock();
        const session = await findRow(sql, token.sessionId);
        const state = stateOf(token, session, now);
        if (!session || (state !== 'CURRENT' && state !== 'REPEATED')) {
          if (session && state === 'REUSED') {
            await sql.all('UPDATE "Session" SET "endedAt" = ?, "endReason" = \'REVOKED\' WHERE "id" = ? AND "endedAt" IS NULL', [now, session.id]);
            const { userId, id: sessionId } = session;
            await number([
              { type: 'account-changed', userId },
              { type: 'session-ended', userId, sessionId, reason: 'REVOKED' },
            ]);
          }
          return { failure: state as TokenFailure };
        }
        if (state === 'REPEATED') return { session };
        const fresh = {
          ...seenNow(client, now),
          rotatedAt: now,
          refreshDigest: tokens.digestOf(next.secret),
          generation: next.generation,
          expiresAt: expiryOf(session.createdAt, now),
        };
        const updated = await sql.all(
          `UPDATE "Session" SET "ipAddress" = ?, "userAgent" = ?, "lastActiveAt" = ?, "rotatedAt" = ?, "refreshDigest" = ?, "generation" = ?, "expiresAt" = ?
           WHERE "id" = ? AND "generation" = ? AND "endedAt" IS NULL RETURNING "id"`,
          [fresh.ipAddress, fresh.userAgent, now, now, fresh.refreshDigest, fresh.generation, fresh.expiresAt, session.id, token.generation],
        );
        // Otherwise another node was faster with the same token, or the session ended: look again.
        if (updated.length > 0) return { session: { ...session, ...fresh } };
      }
    });
    if ('failure' in outcome) {
      if (outcome.failure === 'REUSED') liveSessions.forget(token.sessionId);
      throw invalidToken(outcome.failure);
    }
    const me = await accounts.find({ id: outcome.session.userId });
    if (!me || me.deletedAt) throw invalidToken('REVOKED');
    return issue({ session: outcome.session, grant: 'STILL_VALID', refreshToken: tokens.toRefreshToken(next) }, me);
  }

  /** What a refresh token is worth to its session. CURRENT can be used, REPEATED was used a moment ago and may be repeated. */
  function stateOf(token: RefreshToken, session: SessionRow | null, now: Date): TokenFailure | 'CURRENT' | 'REPEATED' {
    if (!session || token.generation > session.generation) return 'UNKNOWN';
    if (session.endedAt || token.generation < session.voidBelow) return 'REVOKED';
    if (session.expiresAt <= now) return 'EXPIRED';
    if (token.generation === session.generation) return tokens.digestOf(token.secret) === session.refreshDigest ? 'CURRENT' : 'UNKNOWN';
    if (token.generation < session.generation - 1) return 'REUSED';
    if (tokens.digestOf(tokens.successorOf(token.secret)) !== session.refreshDigest) return 'UNKNOWN';
    return now.getTime() <= graceEnd(session) ? 'REPEATED' : 'REUSED';
  }

  function graceEnd(session: SessionRow): number {
    return Math.min(session.rotatedAt.getTime() + config.REFRESH_GRACE_SECONDS * 1000, session.expiresAt.getTime());
  }

  async function findRow(sql: Sql, id: SessionId): Promise<SessionRow | null> {
    const [row] = await sql.all<SessionRow>('SELECT * FROM "Session" WHERE "id" = ?', [id]);
    return row ? toSessionRow(row) : null;
  }

  // ---------------------------------------------------------------- telling about a token

  /**
   * Whether a token (access or refresh) can be used now, by whom and until when. If not, it tells only why, and for an expired token the times.
   * If the name is somebody else's, it tells only that. Changes nothing: asking about a used refresh token ends no session.
   */
  async function tokenInfo(token: string, username: string | null): Promise<TokenInfo> {
    const now = clock();
    const refreshToken = tokens.parseRefresh(token);
    const claims = refreshToken === 'MALFORMED' ? await tokens.parseAccess(token) : refreshToken;
    if (typeof claims === 'string') return inactive(claims);
    const [row] = await db.sql.all<SessionRow & Pick<UserRow, 'username' | 'usernameKey'> & { userDeletedAt: unknown }>(
      'SELECT s.*, u."username", u."usernameKey", u."deletedAt" AS "userDeletedAt" FROM "Session" s JOIN "User" u ON u."id" = s."userId" WHERE s."id" = ?',
      [claims.sessionId],
    );
    if (!row) return inactive('UNKNOWN');
    const { username: owner, usernameKey, userDeletedAt } = row;
    const session = toSessionRow(row);
    if (username !== null && (userDeletedAt !== null || username.length > 64 || foldName(username) !== usernameKey)) return inactive('WRONG_USER');
    if (userDeletedAt !== null) return inactive('REVOKED');
    if ('secret' in claims) {
      const state = stateOf(claims, session, now);
      const current = { issuedAt: session.rotatedAt, expiresAt: session.expiresAt };
      if (state === 'CURRENT') return { active: true, username: owner, ...current, failure: null };
      if (state === 'REPEATED') return { active: true, username: owner, issuedAt: null, expiresAt: new Date(graceEnd(session)), failure: null };
      return inactive(state, claims.generation === session.generation ? current : {});
    }
    if (claims.expiresAt <= now) return inactive('EXPIRED', claims);
    if (session.endedAt || session.userId !== claims.userId) return inactive('REVOKED');
    return { active: true, username: owner, issuedAt: claims.issuedAt, expiresAt: claims.expiresAt, failure: null };
  }
}

const failureSentences: Record<TokenFailure, string> = {
  EXPIRED: 'The token has expired: sign in again.',
  MALFORMED: 'This is not a token.',
  UNKNOWN: 'This token is not known here.',
  REVOKED: 'The session has ended: sign in again.',
  REUSED: 'The token was used before: the session has been ended, sign in again.',
  WRONG_USER: 'The token belongs to somebody else.',
};
const invalidToken = (tokenFailure: TokenFailure): AppError => new AppError('INVALID_TOKEN', { tokenFailure }, failureSentences[tokenFailure]);

function inactive(failure: TokenFailure, times: { issuedAt?: Date; expiresAt?: Date } = {}): TokenInfo {
  const { issuedAt = null, expiresAt = null } = failure === 'EXPIRED' ? times : {};
  return { active: false, username: null, issuedAt, expiresAt, failure };
}
