/** What a server knows of others on the same database, and what one knows that is alone. */
import type { UserId } from '../ids.ts';

export type Elsewhere = {
  /** How many servers live, this one among them. */
  count(): number;
  /** Whether this is known of all others. */
  isSure(): boolean;
  /** Whether somebody is there on another server. */
  isOnline(userId: UserId): boolean;
  /** The same, without a grace and without reported activity. */
  isConnected(userId: UserId): boolean;
  /** Everybody who is there on others. Somebody may come twice. */
  ids(): Iterable<UserId>;
  /** Tells others of somebody on this one. */
  set(userId: UserId, state: 'connected' | 'there' | 'gone'): void;
  /** Called when somebody came to others, or is gone from all of them. */
  onChange(listener: (userId: UserId) => void): void;
  /** Called when it has become sure, or unsure, what others have. */
  onSure(listener: (isSure: boolean) => void): void;
  /** The connection between the servers is there, perhaps again. */
  greet(): void;
  close(): Promise<void>;
};

/** Of a server that is the only one. */
export const nobodyElse: Elsewhere = {
  count: () => 1,
  isSure: () => true,
  isOnline: () => false,
  isConnected: () => false,
  ids: () => [],
  set: () => {},
  onChange: () => {},
  onSure: () => {},
  greet: () => {},
  close: async () => {},
};
