/** Who acts: an account through one of its sessions, for as long as the access token lives. */
export type Viewer = {
  userId: number;
  sessionId: number;
  /** The access token's end. */
  expiresAt: Date;
};
