/** Who acts: an account through one of its sessions, for as long as the access token lives. */
import type { SessionId, UserId } from './ids.ts';

export type Viewer = {
  userId: UserId;
  sessionId: SessionId;
  /** The access token's end. */
  expiresAt: Date;
  /** Where the request came from, if there was one. */
  address?: string;
};
