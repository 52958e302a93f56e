/** What somebody who signs in or refreshes is given: the session, its tokens, and how long they live. */
import { withoutInvisible } from '../accounts/names.ts';
import type { Config } from '../config.ts';
import type { SessionRow, UserRow } from '../storage/rows.ts';
import type { Tokens } from './tokens.ts';

export type Issuing = ReturnType<typeof createIssuing>;
export const sessionGrants = ['NEW', 'RENEWED', 'STILL_VALID'] as const;
export type SessionGrant = (typeof sessionGrants)[number];
/** Of the connection that somebody signs in on. */
export type SignInClient = { ipAddress: string; userAgent: string | null; deviceToken?: string | null };
/** A session that was just opened or refreshed, with the refresh token that is good now. */
export type Opened = { session: SessionRow; grant: SessionGrant; refreshToken: string };
export type Issued = {
  accessToken: string;
  issuedAt: Date;
  accessTokenExpiresAt: Date;
  refreshToken: string;
  refreshTokenExpiresAt: Date;
  grant: SessionGrant;
  session: SessionRow;
  me: UserRow;
};

export function createIssuing({
  tokens,
  config,
  clock,
}: {
  tokens: Pick<Tokens, 'signAccess'>;
  config: Pick<Config, 'ACCESS_TOKEN_SECONDS' | 'REFRESH_TOKEN_SECONDS' | 'SESSION_SECONDS'>;
  clock: () => Date;
}) {
  return { issue, expiryOf };

  /** Signs an access token for a session that is stored. It never outlives the session. */
  async function issue({ session, grant, refreshToken }: Opened, me: UserRow): Promise<Issued> {
    const issuedAt = clock();
    const accessTokenExpiresAt = new Date(Math.min(issuedAt.getTime() + config.ACCESS_TOKEN_SECONDS * 1000, session.expiresAt.getTime()));
    const accessToken = await tokens.signAccess({ userId: me.id, sessionId: session.id, issuedAt, expiresAt: accessTokenExpiresAt });
    return { accessToken, issuedAt, accessTokenExpiresAt, refreshToken, refreshTokenExpiresAt: session.expiresAt, grant, session, me };
  }

  /** When a session ends that began and was last used at these times. */
  function expiryOf(createdAt: Date, usedAt: Date): Date {
    return new Date(Math.min(usedAt.getTime() + config.REFRESH_TOKEN_SECONDS * 1000, createdAt.getTime() + config.SESSION_SECONDS * 1000));
  }
}

/** What a session remembers of the client it was last seen with. */
export const seenNow = ({ ipAddress, userAgent }: SignInClient, now: Date) => ({
  ipAddress,
  userAgent: userAgent && withoutInvisible(userAgent.replace(/\p{Cc}/gu, '').toWellFormed()).slice(0, 300),
  lastActiveAt: now,
});
