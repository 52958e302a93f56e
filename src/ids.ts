/** Ids as clients see them: base64 of the type and the row's key. Opaque, stable, and refused by one regular expression when they are garbage. */
import type { TypeName } from './errors.ts';

export type IdType = TypeName | 'Dialog' | 'Image';

export const toGlobalId = (type: IdType, key: number | string): string => Buffer.from(`${type}:${key}`).toString('base64');

/** The type and key an id names; null for anything that is not an id. */
export function parseGlobalId(id: string): { type: string; key: string } | null {
  if (!/^[A-Za-z0-9+/]{4,86}={0,2}$/.test(id)) return null;
  const [, type, key] = /^([A-Z][A-Za-z]+):((?:0|[1-9]\d{0,14})(?:\.(?:0|[1-9]\d{0,14})){0,2})$/.exec(Buffer.from(id, 'base64').toString('latin1')) ?? [];
  return type && key ? { type, key } : null;
}

/** The numeric key of an id of this type, or null. 2^31 - 1 is the largest key of all tables but messages and events. */
export function numberOf(id: string, type: IdType): number | null {
  const parsed = parseGlobalId(id);
  if (parsed?.type !== type || parsed.key.includes('.')) return null;
  const key = Number(parsed.key);
  return key <= (type === 'Message' || type === 'Notification' ? Number.MAX_SAFE_INTEGER : 2 ** 31 - 1) ? key : null;
}

/** The two keys of an id made of two (a dialog's people, a member's chat and person), or null. */
export function pairOf(id: string, type: 'Dialog' | 'Member'): [number, number] | null {
  const parsed = parseGlobalId(id);
  if (parsed?.type !== type) return null;
  const keys = parsed.key.split('.').map(Number);
  return keys.length === 2 && keys.every((key) => key < 2 ** 31) ? [keys[0] as number, keys[1] as number] : null;
}
